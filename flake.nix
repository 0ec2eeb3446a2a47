{
  description = "A containerd remote snapshotter that understands Nix: images name store paths instead of carrying their bytes";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = { self, nixpkgs }: import ./modules/flake { inherit self nixpkgs; };
}
