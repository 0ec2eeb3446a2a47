# services.nix-snapshotter: the system's daemon.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.services.nix-snapshotter;
  containerd = config.virtualisation.containerd;
  k3s = config.services.k3s;

  daemon = import ../../common/daemon.nix { inherit lib pkgs; };
  units = import ../../common/units.nix { inherit lib; };
  environment = import ../../common/environment.nix { inherit lib; };

  ownFile = daemon.hasOwnFile options.services.nix-snapshotter;
  program = "${cfg.package}/bin/nix-snapshotter";
  # The daemon serves the containerd in k3s.
  inK3s = k3s.enable && k3s.snapshotter == "nix-snapshotter";
  targets = if inK3s then "--k3s" else "--hosts";
in
{
  options.services.nix-snapshotter = daemon.options // {
    configFile = daemon.configFileOf cfg;

    path = daemon.options.path // {
      default = [ config.nix.package ];
      defaultText = lib.literalExpression "[ config.nix.package ]";
    };

    resolver.enable = daemon.options.resolver.enable // {
      default = !ownFile;
      defaultText = lib.literalMD "`true`, without a {option}`configFile` of one's own";
    };

    imageService = {
      enable = daemon.options.imageService.enable // {
        default = containerd.enable && containerd.nixSnapshotterIntegration && !ownFile;
        defaultText = lib.literalMD "`true` with {option}`virtualisation.containerd.nixSnapshotterIntegration`";
      };

      kubelet = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = ''
          Whether the kubelet, of NixOS's Kubernetes or of k3s, pulls by the image service. With the resolver it need not.
        '';
      };
    };

    lib = lib.mkOption {
      type = lib.types.attrs;
      internal = true;
      readOnly = true;
      default = daemon.settings.effective cfg.settings // {
        inherit inK3s ownFile;
        inherit (units) convertServiceToNixOS;
      };
      description = "What other modules have to know of the daemon.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = daemon.assertions {
      name = "services.nix-snapshotter";
      inherit cfg ownFile;
    };

    services.nix-snapshotter = {
      settings = {
        resolver.address = lib.mkIf cfg.resolver.enable (lib.mkDefault daemon.settings.defaults.resolver);
        image_service.enable = lib.mkIf cfg.imageService.enable (lib.mkDefault true);
        image_service.snapshotter = lib.mkIf inK3s (lib.mkDefault "nix-snapshotter");
        containerd_address = lib.mkIf inK3s (lib.mkDefault "/run/k3s/containerd/containerd.sock");
      };
    };

    environment.systemPackages = [ cfg.package ];

    environment.extraInit = lib.mkIf (cfg.setContainerdSnapshotter && !containerd.enable) (environment {
      CONTAINERD_SNAPSHOTTER = if inK3s then "nix-snapshotter" else "nix";
    });
    virtualisation.containerd.setSnapshotter = lib.mkIf cfg.setContainerdSnapshotter (lib.mkDefault "nix");

    systemd.sockets.nix-snapshotter = units.convertServiceToNixOS (units.socket cfg.lib.address);

    systemd.services.nix-snapshotter = lib.mkMerge [
      (units.convertServiceToNixOS (units.service "${program} --config ${cfg.configFile}"))
      { inherit (cfg) path; }
    ];

    systemd.services.nix-snapshotter-setup = lib.mkIf cfg.resolver.enable (
      units.convertServiceToNixOS (
        units.setup {
          command = "${program} setup ${targets} --config ${cfg.configFile}";
          before = [
            "containerd.service"
            "k3s.service"
            "k3s-agent.service"
          ];
          wantedBy = "multi-user.target";
        }
      )
    );
  };
}
