/*
  A stand-in for the part of nixpkgs' `lib` that this project's Nix files use, so that they can be evaluated where nixpkgs is
  not at hand. It gives what the Nixpkgs manual documents ("Nixpkgs Library Functions", "Module System") under the same names
  with the same arguments, and nothing else: a function that is missing here is not used anywhere.

  `npm run check:nix` evaluates the same files with the real library and compares.
*/
let
  lib =
    import ./lib-values.nix lib
    // import ./lib-strings.nix lib
    // import ./lib-options.nix lib
    // import ./lib-modules.nix lib
    // {
      types = import ./lib-types.nix lib;
    };
in
lib
