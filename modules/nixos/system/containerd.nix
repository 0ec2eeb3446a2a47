# virtualisation.containerd: what nixpkgs' module does not have.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.virtualisation.containerd;
  snapshotter = config.services.nix-snapshotter;

  common = import ../../common/containerd.nix { inherit lib; };
  settings = import ../../common/containerd-settings.nix { inherit lib; };
  environment = import ../../common/environment.nix { inherit lib; };

  version = cfg.configVersion;

  k3sCniPlugins = pkgs.buildEnv {
    name = "k3s-cni-plugins";
    paths = [
      pkgs.cni-plugins
      pkgs.cni-plugin-flannel
    ];
  };
in
{
  options.virtualisation.containerd =
    common.options { address = "/run/containerd/containerd.sock"; }
    // {
      k3sIntegration = lib.mkEnableOption "k3s on this containerd, in place of the one in k3s";

      configVersion = lib.mkOption {
        type = lib.types.enum [
          2
          3
        ];
        default = 2;
        description = ''
          Version of the file that {option}`settings` are, which decides what the tables of CRI are called. nixpkgs' module writes version
          2, which containerd 1.7 and 2.x read.
        '';
      };

      lib = lib.mkOption {
        type = lib.types.attrs;
        internal = true;
        readOnly = true;
        default = settings;
        description = "Parts of containerd's configuration.";
      };
    };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = common.assertions "virtualisation.containerd" cfg;
        virtualisation.containerd.settings = settings.base {
          inherit version;
          inherit (cfg) defaultRuntime;
          cniPlugins = pkgs.cni-plugins;
          systemdCgroup = false;
        };
        environment.extraInit = environment (common.variables cfg);
        systemd.services.containerd.path = cfg.path;
      }

      (lib.mkIf cfg.nixSnapshotterIntegration {
        virtualisation.containerd = {
          setSnapshotter = lib.mkDefault "nix";
          settings = settings.nixSnapshotter {
            inherit version;
            release = pkgs.containerd.version;
            platform = settings.platformOf pkgs.stdenv.hostPlatform.system;
            socket = snapshotter.lib.address;
            root = snapshotter.lib.root;
            hosts = snapshotter.resolver.enable;
          };
        };
      })

      (lib.mkIf cfg.gVisorIntegration {
        virtualisation.containerd = {
          path = [ pkgs.gvisor ];
          settings = settings.gVisor { inherit version; };
        };
      })

      (lib.mkIf cfg.k3sIntegration {
        services.k3s.moreFlags = [ "--container-runtime-endpoint unix:///run/containerd/containerd.sock" ];
        virtualisation.containerd = {
          setNamespace = lib.mkDefault "k8s.io";
          settings = settings.k3s {
            inherit version;
            cniPlugins = k3sCniPlugins;
          };
        };
        systemd.services.k3s = lib.mkIf config.services.k3s.enable {
          wants = [ "containerd.service" ];
          after = [ "containerd.service" ];
        };
      })

      (lib.mkIf (snapshotter.enable && snapshotter.imageService.kubelet) (
        let
          endpoint = "unix://${snapshotter.lib.address}";
        in
        {
          services.k3s.moreFlags = lib.mkIf cfg.k3sIntegration [ "--image-service-endpoint ${endpoint}" ];
          services.kubernetes.kubelet.extraOpts =
            lib.mkIf config.services.kubernetes.kubelet.enable "--image-service-endpoint ${endpoint}";
        }
      ))
    ]
  );
}
