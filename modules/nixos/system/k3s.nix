# services.k3s: what nixpkgs' module does not have.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.services.k3s;

  common = import ../../common/k3s.nix { inherit lib; };
  environment = import ../../common/environment.nix { inherit lib; };
in
{
  options.services.k3s = common.options // {
    moreFlags = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "--disable traefik" ];
      description = "Flags of k3s; modules can add to them.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.extraInit = environment (
      common.variables {
        inherit cfg;
        address = "/run/k3s/containerd/containerd.sock";
        kubeconfig = "/etc/rancher/k3s/k3s.yaml";
      }
    );

    services.k3s = {
      # "overlayfs" is k3s's own choice. An external containerd is told by its own configuration.
      moreFlags =
        lib.mkIf (cfg.snapshotter != "overlayfs" && !config.virtualisation.containerd.k3sIntegration)
          [ "--snapshotter ${cfg.snapshotter}" ];
      # A string in NixOS 24.05 and older, and where somebody gives one nothing can be added: so only what has to be.
      extraFlags = lib.mkIf (cfg.moreFlags != [ ]) (
        if options.services.k3s.extraFlags.type.check [ ] then cfg.moreFlags else toString cfg.moreFlags
      );
    };

    # The Go version in k3s calls nix-store.
    systemd.services.k3s.path = lib.mkIf (cfg.snapshotter == "nix") [ config.nix.package ];
  };
}
