# nix-snapshotter, with its image functions as attributes, in place of the Go version that nixpkgs has by this name.
final: _: {
  nix-snapshotter = final.callPackage ../package/package.nix { };
}
