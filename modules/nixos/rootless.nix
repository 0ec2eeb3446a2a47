# containerd and the daemon of users, by NixOS.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.nix-snapshotter.rootless;
  units = import ../common/units.nix { inherit lib; };
  helped = cfg.viewHelper.users;
  viewHelperRoot =
    if cfg.settings.view_helper.root == null then
      "/var/lib/nix-snapshotter-view-helper"
    else
      cfg.settings.view_helper.root;
  lingering = lib.any (user: user.linger == true) (lib.attrValues config.users.users);
in
{
  imports = [ ../common/rootless.nix ];

  options.services.nix-snapshotter.rootless.viewHelper.users = lib.mkOption {
    type = lib.types.listOf lib.types.ints.positive;
    default = [ ];
    example = [ 1000 ];
    description = ''
      Ids of users whose containers have one mount in place of one for each store path: a small service of root makes it for
      them.
    '';
  };

  config = lib.mkMerge [
    (lib.mkIf (cfg.units != { }) {
      # First for users, for whom what is root's does not count; root is left to the system's containerd.
      environment.extraInit = lib.mkIf (cfg.shell != "") (
        lib.mkBefore ''
          if [ "$(id -u)" != 0 ]; then
          ${cfg.shell}fi
        ''
      );

      systemd.user.services = lib.mkMerge [
        # NixOS gives them to every user, root among them.
        (lib.mapAttrs (
          _: unit: units.convertServiceToNixOS (lib.recursiveUpdate unit { Unit.ConditionUser = "!root"; })
        ) cfg.units)
        (lib.mkIf config.virtualisation.containerd.rootless.enable {
          containerd.environment = config.networking.proxy.envVars;
        })
      ];

      warnings = lib.optional (!lingering) (
        "Containers without root end with the last session of their user, and start with the first: for those that shall not, set "
        + "users.users.<name>.linger = true."
      );
    })

    (lib.mkIf config.services.k3s.rootless.enable {
      # What k3s wants of a user's services: https://rootlesscontaine.rs/getting-started/common/cgroup2/
      systemd.services."user@".serviceConfig.Delegate = lib.mkDefault "cpu cpuset io memory pids";
      boot.kernel.sysctl."net.ipv4.ip_forward" = lib.mkDefault 1;
    })

    (lib.mkIf (helped != [ ]) {
      assertions = [
        {
          assertion = cfg.enable;
          message =
            "services.nix-snapshotter.rootless.viewHelper makes views for daemons without root, and there are none: set "
            + "services.nix-snapshotter.rootless.enable = true.";
        }
      ];
      # RootlessKit shows what is in /var/lib when it starts, which may be before anybody asks for a view.
      systemd.tmpfiles.settings."10-nix-snapshotter-view-helper".${viewHelperRoot}.d.mode = "0755";
      systemd.services."nix-snapshotter-view-helper@" = units.convertServiceToNixOS (
        units.viewHelper.service "${cfg.package}/bin/nix-snapshotter view-helper --config ${cfg.configFile}"
        // {
          inherit (cfg) path;
        }
      );
      systemd.sockets = lib.listToAttrs (
        map (
          user:
          lib.nameValuePair "nix-snapshotter-view-helper@${toString user}" (
            units.convertServiceToNixOS units.viewHelper.socket
          )
        ) helped
      );
    })
  ];
}
