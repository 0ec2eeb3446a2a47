# services.preload-containerd: images for the system's containerd.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.preload-containerd;
  preload = import ../../common/preload.nix { inherit lib pkgs; };
  units = import ../../common/units.nix { inherit lib; };
in
{
  options.services.preload-containerd = preload.options {
    address = "/run/containerd/containerd.sock";
    snapshotter = if config.services.nix-snapshotter.lib.inK3s then "nix-snapshotter" else "nix";
    snapshotterText = "`\"nix\"`, or `\"nix-snapshotter\"` where that is {option}`services.k3s.snapshotter`";
  };

  config = lib.mkIf (cfg.enable && cfg.targets != [ ]) {
    systemd.services.preload-containerd = units.convertServiceToNixOS (
      preload.service {
        inherit cfg;
        inherit (config.services.nix-snapshotter) package;
      }
    );
  };
}
