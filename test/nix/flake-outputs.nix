# What the flake gives without building anything: its modules, and the names of all else. `libPath` as in ./evaluate.nix.
{ libPath }:
let
  lib = import libPath;
  self = (import ../../flake.nix).outputs {
    inherit self;
    nixpkgs = {
      inherit lib;
      outPath = ./.;
    };
  };
  perSystem = lib.genAttrs [
    "apps"
    "checks"
    "devShells"
    "formatter"
    "packages"
  ] (output: lib.mapAttrs (_: lib.attrNames) (removeAttrs self [ ]).${output} or { });
in
perSystem
// {
  formatter = lib.attrNames self.formatter;
  overlays = lib.attrNames self.overlays;
  modules = lib.mapAttrs (
    _: lib.mapAttrs (_: module: builtins.pathExists module)
  ) { inherit (self) nixosModules homeModules; };
}
