# What NixOS's configuration of a node gives, with containerd's settings of a user's own: the files, and how they are used.
{ settings, containerdVersion }:
let
  lib = import ./lib.nix;
  pkgs = import ./nixos-packages.nix { inherit lib containerdVersion; };
  inherit
    (import ./nixos.nix {
      inherit lib pkgs;
      modules = [
        ../../modules/nixos
        {
          virtualisation.containerd = {
            enable = true;
            nixSnapshotterIntegration = true;
            settings = builtins.fromJSON (builtins.readFile settings);
          };
          services.nix-snapshotter.enable = true;
        }
      ];
    })
    config
    failed
    ;
in
{
  inherit failed;
  containerd = config.virtualisation.containerd.settings;
  daemon = config.services.nix-snapshotter.configFile.value;
  setup = {
    inherit (config.systemd.services.nix-snapshotter-setup.serviceConfig) ExecStart ExecStop;
  };
}
