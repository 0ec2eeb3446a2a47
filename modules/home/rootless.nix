# containerd and the daemon of a user, by Home Manager.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.nix-snapshotter.rootless;
  units = import ../common/units.nix { inherit lib; };
in
{
  imports = [ ../common/rootless.nix ];

  config = lib.mkIf (cfg.units != { }) {
    home.sessionVariablesExtra = cfg.shell;
    systemd.user.services = lib.mapAttrs (_: units.toHome pkgs) cfg.units;
  };
}
