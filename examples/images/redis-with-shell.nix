# An image on another one of ours: its layers and its config stay, what is below is shared.
{ pkgs }:
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/redis-shell";
  fromImage = import ./redis.nix { inherit pkgs; };
  config.Entrypoint = [ "/bin/sh" ];
  copyToRoot = pkgs.buildEnv {
    name = "system-path";
    pathsToLink = [ "/bin" ];
    paths = [
      pkgs.bashInteractive
      pkgs.coreutils
      pkgs.redis
    ];
  };
}
