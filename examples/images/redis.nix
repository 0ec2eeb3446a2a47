# A service, as an unprivileged user who owns its working directory.
{ pkgs }:
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/redis";
  config = {
    Entrypoint = [ "${pkgs.redis}/bin/redis-server" ];
    ExposedPorts."6379/tcp" = { };
    User = "999:999";
    WorkingDir = "/data";
  };
  fakeRootCommands = ''
    mkdir data
    chown 999:999 data
  '';
}
