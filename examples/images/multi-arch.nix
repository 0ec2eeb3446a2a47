# One reference for two platforms. The image for the other one is cross-built: its platform is that of its package set.
{ pkgs }:
let
  inherit (pkgs) pkgsCross;
  other =
    if pkgs.stdenv.hostPlatform.system == "aarch64-linux" then
      pkgsCross.gnu64
    else
      pkgsCross.aarch64-multiplatform;
in
pkgs.nix-snapshotter.buildMultiArchImage {
  name = "localhost:5000/multi-arch";
  images = map (
    set:
    set.nix-snapshotter.buildImage {
      name = "hello";
      config.Entrypoint = [ (set.lib.getExe set.hello) ];
    }
  ) [
    pkgs
    other
  ];
}
