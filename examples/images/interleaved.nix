# Ordinary layers and Nix layers in turns: an ordinary base image with users, redis from the store, a layer of files with
# owners, and one more program from the store.
{ pkgs }:
let
  inherit (pkgs.nix-snapshotter) buildImage;

  base = pkgs.dockerTools.buildImage {
    name = "base";
    copyToRoot = pkgs.writeTextDir "etc/passwd" ''
      root:x:0:0:root:/root:/bin/sh
      redis:x:999:999:redis:/data:/bin/sh
    '';
    config.Env = [ "TZ=UTC" ];
  };

  withRedis = buildImage {
    name = "with-redis";
    fromImage = base;
    config = {
      Entrypoint = [ "${pkgs.redis}/bin/redis-server" ];
      User = "redis";
    };
    fakeRootCommands = ''
      mkdir -p data etc/redis
      echo 'dir /data' > etc/redis/redis.conf
      chown -R 999:999 data
    '';
  };
in
buildImage {
  name = "localhost:5000/interleaved";
  fromImage = withRedis;
  config.Cmd = [ "/etc/redis/redis.conf" ];
  copyToRoot = pkgs.coreutils;
}
