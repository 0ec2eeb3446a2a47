# One program. Nothing has to be copied to "/": the store paths that the config mentions are in the container.
{ pkgs }:
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/hello";
  config.Entrypoint = [ (pkgs.lib.getExe pkgs.hello) ];
}
