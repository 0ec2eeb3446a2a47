/*
  A stand-in for the part of nixpkgs' package set that this project's Nix files use, so that they can be built where nixpkgs
  is not at hand. Functions are those that the Nixpkgs manual documents, with the same argument names; one that gets an
  argument which it does not know is an error. Packages are made of the programs of a node of the test bed (Debian, see
  ../fixtures/packages.nix), so builders run without Nix's sandbox, as root.

  A package set for another platform (pkgsCross) is built on this one; its programs do not run anywhere.
*/
{
  lib,
  system,
  crossSystem ? null,
  overlays ? [ ],
}@args:
let
  lib = args.lib // {
    licenses = args.lib.licenses or { mit.spdxId = "MIT"; };
  };
  platformOf = system: {
    inherit system;
    parsed.cpu.name = builtins.head (lib.splitString "-" system);
    isLinux = lib.hasSuffix "-linux" system;
    canExecute = other: other.system == system;
  };
  crossSystems = {
    aarch64-multiplatform = "aarch64-linux";
    gnu64 = "x86_64-linux";
  };
  setFor = crossSystem: import ./pkgs.nix { inherit lib system crossSystem overlays; };

  platforms = {
    buildPlatform = platformOf system;
    hostPlatform = platformOf (if crossSystem == null then system else crossSystem);
  };

  base = pkgs: {
    inherit lib pkgs;
    callPackage =
      package: overrides:
      let
        function = if builtins.isFunction package then package else import package;
      in
      function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // overrides);
    buildPackages = if crossSystem == null then pkgs else setFor null;
    pkgsCross = builtins.mapAttrs (_: setFor) crossSystems;
  };

  layers = map (file: pkgs: _: import file { inherit lib pkgs platforms; }) [
    ./pkgs-builders.nix
    ./pkgs-npm.nix
    ./pkgs-images.nix
    ./pkgs-programs.nix
  ];
in
lib.fix (pkgs: base pkgs // lib.composeManyExtensions (layers ++ overlays) pkgs (base pkgs))
