# An ordinary image from a registry with a program from the store on top. The base is downloaded once, by its digest;
# `nix-prefetch-docker --image-name nixos/nix --image-tag 2.2.1` prints the arguments for another one.
{
  pkgs,
  base ? pkgs.dockerTools.pullImage {
    imageName = "nixos/nix";
    imageDigest = "sha256:85299d86263a3059cf19f419f9d286cc9f06d3c13146a8ebbb21b3437f598357";
    hash = "sha256-xxZ4UW6jRIVAzlVYA62awcopzcYNViDyh6q1yocF3KU=";
    finalImageName = "nix";
    finalImageTag = "2.2.1";
  },
}:
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/from-registry";
  fromImage = base;
  config.Entrypoint = [ (pkgs.lib.getExe pkgs.hello) ];
}
