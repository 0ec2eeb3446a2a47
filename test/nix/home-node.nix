# What Home Manager's configuration of a user gives: the units, and all files they name, so that they can be run as they are.
{ containerdVersion }:
let
  lib = import ./lib.nix;
  pkgs = import ./nixos-packages.nix { inherit lib containerdVersion; };
  image = pkgs.nix-snapshotter.buildImage { name = "preloaded"; };
  inherit
    (import ./home.nix {
      inherit lib pkgs;
      modules = [
        ../../modules/home
        {
          virtualisation.containerd.rootless = {
            enable = true;
            nixSnapshotterIntegration = true;
          };
          services.nix-snapshotter.rootless.enable = true;
          services.preload-containerd.rootless = {
            enable = true;
            targets = [ { archives = [ image ]; } ];
          };
        }
      ];
    })
    config
    failed
    ;
  containerd = config.virtualisation.containerd.rootless;
  daemon = config.services.nix-snapshotter.rootless;
  script = package: {
    path = toString package;
    inherit (package) text;
  };
in
{
  inherit failed;
  units = config.systemd.user.services;
  scripts = map script [
    containerd.lib.parent
    containerd.lib.child
    daemon.units.preload-containerd.Service.ExecStart
  ];
  settings = [
    {
      path = containerd.args.config;
      value = containerd.settings;
    }
    {
      path = toString daemon.configFile;
      inherit (daemon.configFile) value;
    }
  ];
  program = toString daemon.package;
  image = toString image;
}
