# containerd's settings for a release of it: those of a containerd alone, and with the snapshotter, in both versions of the file.
{ containerdVersion }:
let
  lib = import ./lib.nix;
  pkgs = import ./nixos-packages.nix { inherit lib containerdVersion; };
  configurations = import ./configurations.nix { inherit lib pkgs; };
  nixos =
    name: (import ./nixos.nix { inherit lib pkgs; modules = configurations.nixos.${name}; }).config.virtualisation.containerd;
in
{
  alone = (nixos "containerdAlone").settings;
  version2 = (nixos "containerd").settings;
  version3 = (nixos "version3").settings;
  rootless = (nixos "noLinger").rootless.settings;
}
