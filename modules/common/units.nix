/*
  The systemd units, in systemd's own words, as Home Manager takes them; `path` beside them is what they have in PATH. The same as
  examples/systemd, where packages take them from: a test compares.
*/
{ lib }:
let
  # Where NixOS has an option of its own for what a unit says, that is used: other modules add to it.
  listed = {
    Before = "before";
    After = "after";
    Requires = "requires";
    Wants = "wants";
    PartOf = "partOf";
    BindsTo = "bindsTo";
  };
in
{
  # For NixOS: a unit as systemd.services.<name>, systemd.sockets.<name> and their like of users take it.
  convertServiceToNixOS =
    unit:
    let
      head = unit.Unit or { };
    in
    lib.mapAttrs' (name: option: lib.nameValuePair option (head.${name} or [ ])) listed
    // {
      description = head.Description or "";
      unitConfig = removeAttrs head ([ "Description" ] ++ lib.attrNames listed);
      wantedBy = unit.Install.WantedBy or [ ];
    }
    // lib.optionalAttrs (unit ? path) { inherit (unit) path; }
    // lib.optionalAttrs (unit ? Service) { serviceConfig = unit.Service; }
    // lib.optionalAttrs (unit ? Socket) { socketConfig = unit.Socket; };

  # For Home Manager, where a unit has only what it says in its PATH.
  toHome =
    pkgs: unit:
    removeAttrs unit [ "path" ]
    // {
      Service = unit.Service // {
        Environment = [
          "PATH=${
            lib.makeBinPath (
              unit.path or [ ]
              ++ [
                pkgs.coreutils
                pkgs.systemd
              ]
            )
          }"
        ];
      };
    };

  socket = address: {
    Unit = {
      Description = "Socket of nix-snapshotter";
      Before = [ "containerd.service" ];
    };
    Socket = {
      ListenStream = address;
      SocketMode = "0600";
      DirectoryMode = "0755";
    };
    Install.WantedBy = [ "sockets.target" ];
  };

  service = execStart: {
    Unit = {
      Description = "nix-snapshotter, a containerd snapshotter that understands Nix store paths";
      # containerd skips images whose snapshotter does not answer when it starts.
      Before = [
        "containerd.service"
        "k3s.service"
        "k3s-agent.service"
      ];
      After = [
        "network.target"
        "nix-daemon.socket"
      ];
      Requires = [ "nix-snapshotter.socket" ];
      # A node without its snapshotter makes no containers: it is started again however often it has ended.
      StartLimitIntervalSec = 0;
    };
    Service = {
      Type = "notify";
      # systemd-notify tells the state, as a child of the daemon.
      NotifyAccess = "all";
      ExecStart = execStart;
      Restart = "always";
      RestartSec = 1;
      # A stop asks the daemon alone; it lets the Nix processes of running calls finish, and ends them itself.
      KillMode = "mixed";
      # Calls have 10 s to end, Nix processes 5 s after that.
      TimeoutStopSec = 45;
      # For the daemon alone: it gives the processes of Nix that it starts an ordinary score.
      OOMScoreAdjust = -999;
      # When memory runs out and a process of Nix goes, the daemon stays.
      OOMPolicy = "continue";
      # Mounts; files of any owner; user namespaces of mounts that map ids, and the users that Nix builds as where it has no daemon.
      CapabilityBoundingSet = "CAP_SYS_ADMIN CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETUID CAP_SETGID CAP_KILL";
      NoNewPrivileges = "yes";
      RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
      SystemCallFilter = "~@clock @module @raw-io @reboot @swap";
      SystemCallErrorNumber = "EPERM";
      # Nothing that makes a mount namespace (PrivateTmp, ProtectSystem and the like): containerd must see what is mounted. No
      # RestrictNamespaces, LockPersonality, MemoryDenyWriteExecute: Nix builds in namespaces, Node compiles.
    };
    Install.WantedBy = [ "multi-user.target" ];
  };

  # The daemon of a user, in the namespaces of the user's containerd.
  rootless = execStart: {
    Unit = {
      Description = "nix-snapshotter in the namespaces of rootless containerd";
      # It enters them, so they must be there; it ends with them, and comes back with them.
      After = [ "containerd.service" ];
      PartOf = [ "containerd.service" ];
      # Until RootlessKit is up there is nothing to enter.
      StartLimitIntervalSec = 0;
    };
    Service = {
      Type = "notify";
      NotifyAccess = "all";
      ExecStart = execStart;
      Restart = "always";
      RestartSec = 1;
      KillMode = "mixed";
      TimeoutStopSec = 45;
      OOMPolicy = "continue";
    };
    Install.WantedBy = [ "default.target" ];
  };

  # A user's containerd under RootlessKit.
  rootlessContainerd = execStart: {
    Unit = {
      Description = "containerd without root";
      StartLimitBurst = 16;
      StartLimitIntervalSec = 120;
    };
    Service = {
      Type = "notify";
      # containerd is a child of RootlessKit.
      NotifyAccess = "all";
      Delegate = "yes";
      ExecStart = execStart;
      Restart = "always";
      RestartSec = 10;
      # The namespaces end with RootlessKit, and what is left in them nobody could manage.
      KillMode = "mixed";
      LimitNOFILE = "infinity";
      LimitNPROC = "infinity";
      LimitCORE = "infinity";
      TasksMax = "infinity";
    };
    Install.WantedBy = [ "default.target" ];
  };

  viewHelper = {
    socket = {
      Unit.Description = "Socket of the view helper of user %i";
      Socket = {
        ListenStream = "/run/nix-snapshotter-view-helper/%i.sock";
        SocketUser = "%i";
        SocketMode = "0600";
        DirectoryMode = "0755";
      };
      Install.WantedBy = [ "sockets.target" ];
    };

    # `command`: without the user.
    service = command: {
      Unit = {
        Description = "nix-snapshotter's views for rootless containers of user %i";
        After = [ "nix-daemon.socket" ];
        Requires = [ "nix-snapshotter-view-helper@%i.socket" ];
      };
      Service = {
        Type = "notify";
        NotifyAccess = "all";
        ExecStart = "${command} --user %i";
        Restart = "on-failure";
        RestartSec = 1;
        # Whoever asks is not trusted.
        MemoryMax = "512M";
        TasksMax = 64;
        CapabilityBoundingSet = "CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_FOWNER CAP_CHOWN CAP_SYS_PTRACE";
        NoNewPrivileges = "yes";
        RestrictAddressFamilies = "AF_UNIX";
        IPAddressDeny = "any";
      };
    };
  };

  /*
    Brings what holds the resolver's token, a secret that is made on the node and never in the store, to where clients look for it;
    takes it back when the unit goes.

    `command` is `nix-snapshotter setup` with its targets. `before` and `wantedBy` are units.
  */
  setup =
    {
      command,
      before ? [ ],
      wantedBy,
    }:
    {
      Unit = {
        Description = "Files that lead clients of containerd to nix-snapshotter";
        Before = before;
        # It makes the token, and two that did might make two.
        After = [ "nix-snapshotter.service" ];
      };
      Service = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = command;
        ExecStop = "${command} --undo";
      };
      Install.WantedBy = [ wantedBy ];
    };
}
