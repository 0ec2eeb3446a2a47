# The flake's outputs for people without flakes, and as `default` the package for this machine:
#
#   nix-build                              → the package
#   (import ./.).overlays.default          → the overlay
#   (import ./.).nixosModules.default      → the NixOS module
let
  inherit (builtins.fromJSON (builtins.readFile ./flake.lock)) nodes;
  inherit (nodes.nixpkgs) locked;

  source = fetchTarball {
    url = "https://github.com/${locked.owner}/${locked.repo}/archive/${locked.rev}.tar.gz";
    sha256 = locked.narHash;
  };
  lib = import "${source}/lib";
  nixpkgs = {
    outPath = source;
    lib = lib // {
      nixosSystem =
        args:
        import "${source}/nixos/lib/eval-config.nix" (
          {
            inherit lib;
            system = null;
          }
          // args
        );
    };
  };

  self = import ./modules/flake { inherit self nixpkgs; };
in
self // { default = self.packages.${builtins.currentSystem}.default; }
