# The stand-in as `import nixpkgs { … }` and `import <nixpkgs> { … }` see it.
{
  system ? builtins.currentSystem,
  crossSystem ? null,
  overlays ? [ ],
  lib ? import ./lib.nix,
}:
import ./pkgs.nix { inherit lib system crossSystem overlays; }
