/*
  The systemd units, in systemd's own words: as home-manager takes them. The same as examples/systemd, where packages take
  them from; a test compares.
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
  # For NixOS: a unit of home-manager's form as systemd.services.<name> and systemd.sockets.<name> take it.
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
    // lib.optionalAttrs (unit ? Service) { serviceConfig = unit.Service; }
    // lib.optionalAttrs (unit ? Socket) { socketConfig = unit.Socket; };

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
      OOMScoreAdjust = -999;
    };
    Install.WantedBy = [ "multi-user.target" ];
  };

  /*
    Brings what holds the resolver's token, a secret that is made on the node and never in the store, to where clients look for it;
    takes it back when the unit goes.

    `command` is `nix-snapshotter setup` with its targets.
  */
  setup = command: {
    Unit = {
      Description = "Files that lead clients of containerd to nix-snapshotter";
      Before = [
        "containerd.service"
        "k3s.service"
        "k3s-agent.service"
      ];
    };
    Service = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = command;
      ExecStop = "${command} --undo";
    };
    Install.WantedBy = [ "multi-user.target" ];
  };
}
