# The same image for nodes with and without this snapshotter: its layers carry the store paths, and name the closure.
{ pkgs }:
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/layered";
  layered = true;
  config.Entrypoint = [ (pkgs.lib.getExe pkgs.hello) ];
}
