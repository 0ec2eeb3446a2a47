# The functions that make images and bring them to nodes and registries, for callPackage. Names and arguments are those of
# the Go version, with more.
{
  lib,
  stdenv,
  buildPackages,
  closureInfo,
  fakeroot,
  runCommand,
  symlinkJoin,
  writeText,
  writeTextFile,
  # Runs on the machine that builds.
  nix-snapshotter,
}:
let
  nix2container = lib.getExe' nix-snapshotter "nix2container";
  copies = import ./copies.nix {
    inherit lib nix2container;
    inherit (buildPackages) writeShellScriptBin;
  };
in
{
  buildImage = import ./build-image.nix {
    inherit
      lib
      closureInfo
      copies
      nix2container
      runCommand
      symlinkJoin
      writeText
      writeTextFile
      ;
    fakeRoot = import ./fake-root.nix { inherit lib fakeroot runCommand; };
    hostPlatform = import ./platform.nix stdenv.hostPlatform;
  };

  buildMultiArchImage = import ./build-multi-arch-image.nix {
    inherit
      lib
      copies
      nix2container
      runCommand
      ;
  };

  inherit (copies) copyToContainerd copyToRegistry;
}
