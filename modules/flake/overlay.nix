# Adds nix-snapshotter, with its image functions as attributes, to nixpkgs.
final: _: {
  nix-snapshotter = final.callPackage ../package/package.nix { };
}
