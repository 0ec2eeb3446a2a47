/*
  Configurations that the tests evaluate, by name. `nixos` and `home` have modules of the two kinds; a configuration has the
  project's modules all, or those that `imports` names.
*/
{ lib, pkgs }:
let
  all = ../../modules/nixos;
  home = ../../modules/home;

  rootless = {
    virtualisation.containerd.rootless = {
      enable = true;
      nixSnapshotterIntegration = true;
    };
    services.nix-snapshotter.rootless.enable = true;
  };

  containerd = {
    virtualisation.containerd = {
      enable = true;
      nixSnapshotterIntegration = true;
    };
    services.nix-snapshotter.enable = true;
  };
  k3s = {
    services.k3s = {
      enable = true;
      setKubeConfig = true;
    };
  };
  embedded = {
    imports = [ k3s ];
    services.k3s.snapshotter = "nix-snapshotter";
    services.k3s.setEmbeddedContainerd = true;
    services.nix-snapshotter.enable = true;
  };
  with' = base: more: { imports = [ base ]; } // { config = more; };
in
{
  nixos = lib.mapAttrs (_: module: [ all module ]) {
    nothing = { };
    inherit containerd embedded;
    containerdAlone.virtualisation.containerd.enable = true;

    settings = with' containerd {
      services.nix-snapshotter = {
        settings = {
          view = "binds";
          gc.grace = "24h";
          nix.substituters = [ "https://cache.example.org" ];
          resolver.build = "drv";
          resolver.address = "[::1]:7000";
          nix.concurrency = 8;
        };
        resolver.enable = true;
        imageService.enable = false;
      };
    };

    version3 = with' containerd {
      virtualisation.containerd.configVersion = 3;
      virtualisation.containerd.settings.version = lib.mkForce 3;
    };

    # As with the Go version: its option names, and what people wrote for it.
    goVersion =
      { pkgs, ... }:
      {
        virtualisation.containerd = {
          enable = true;
          nixSnapshotterIntegration = true;
          gVisorIntegration = true;
          path = [ pkgs.hello ];
          setNamespace = "k8s.io";
        };
        services.nix-snapshotter = {
          enable = true;
          setContainerdSnapshotter = true;
          path = [ pkgs.nix ];
          package = pkgs.nix-snapshotter;
          settings.image_service.containerd_address = "/run/containerd/containerd.sock";
        };
        services.preload-containerd = {
          enable = true;
          targets = [
            {
              archives = [ (pkgs.nix-snapshotter.buildImage { name = "hello"; }) ];
              address = "$XDG_RUNTIME_DIR/containerd/containerd.sock";
              namespace = "k8s.io";
            }
          ];
        };
      };

    configFile = with' containerd {
      services.nix-snapshotter.configFile = "/etc/nix-snapshotter/config.toml";
    };

    kubernetes = with' containerd {
      services.kubernetes = {
        roles = [
          "master"
          "node"
        ];
        masterAddress = "localhost";
      };
      services.nix-snapshotter.imageService.kubelet = true;
    };

    # The Go version's test of Kubernetes.
    goKubernetes = with' containerd {
      services.kubernetes.roles = [ "node" ];
      services.kubernetes.kubelet.extraOpts = "--image-service-endpoint unix:///run/nix-snapshotter/nix-snapshotter.sock";
    };

    external = {
      imports = [
        containerd
        k3s
      ];
      virtualisation.containerd.k3sIntegration = true;
      services.nix-snapshotter.imageService.kubelet = true;
      services.k3s.extraFlags = [ "--disable traefik" ];
    };

    # Flags in one string cannot be added to, and need not be.
    k3sAlone = with' k3s { services.k3s.extraFlags = "--disable traefik"; };

    # The Go version that k3s has built in.
    builtIn = with' k3s { services.k3s.snapshotter = "nix"; };

    snapshotterOnly = {
      services.nix-snapshotter = {
        enable = true;
        setContainerdSnapshotter = true;
      };
    };

    rootless = {
      imports = [
        containerd
        rootless
      ];
      users.users.alice = {
        isNormalUser = true;
        linger = true;
      };
      services.nix-snapshotter.rootless.viewHelper.users = [ 1000 ];
    };
    noLinger = rootless;

    # Writes nothing to /etc.
    readOnlyWithoutResolver = with' containerd {
      services.nix-snapshotter.resolver.enable = false;
      system.etc.overlay = {
        enable = true;
        mutable = false;
      };
    };

    # Hosts of one's own beside the resolver's; what other modules say of the same stands.
    beside = with' containerd {
      virtualisation.containerd.settings.plugins."io.containerd.grpc.v1.cri".registry.config_path = "/etc/mine:/etc/containerd/certs.d";
      environment.etc."containerd/certs.d/docker.io/hosts.toml".text = "";
    };

    rootlessBesideK3s = {
      imports = [
        embedded
        rootless
      ];
      services.k3s.rootless.enable = true;
      systemd.services."user@".serviceConfig.Delegate = "memory pids cpu cpuset";
      services.preload-containerd = {
        enable = true;
        targets = [
          {
            archives = [ "/images/a.tar" ];
            address = "/run/k3s/containerd/containerd.sock";
            namespace = "k8s.io";
          }
        ];
      };
    };

    # Each of these is refused, with a text that says what to do.
    noDaemon.virtualisation.containerd = {
      enable = true;
      nixSnapshotterIntegration = true;
    };
    noContainerd.virtualisation.containerd.gVisorIntegration = true;
    runscAlone = with' containerd { virtualisation.containerd.defaultRuntime = "runsc"; };
    goPackage = with' containerd {
      services.nix-snapshotter.package = removeAttrs pkgs.nix-snapshotter [ "buildMultiArchImage" ];
    };
    otherVersion = with' containerd { virtualisation.containerd.settings.version = lib.mkForce 3; };
    version3On1 = with' containerd {
      _module.args.pkgs = lib.mkForce (pkgs // { containerd = pkgs.containerd // { version = "1.7.29"; }; });
      virtualisation.containerd.configVersion = 3;
      virtualisation.containerd.settings.version = lib.mkForce 3;
    };
    containerdFile = with' containerd { virtualisation.containerd.configFile = "/etc/containerd/mine.toml"; };
    otherHosts = with' containerd {
      virtualisation.containerd.settings.plugins."io.containerd.grpc.v1.cri".registry.config_path = "/etc/mine:/etc/docker/certs.d";
    };
    hostsInStore = with' containerd { environment.etc."containerd/certs.d".source = ./nixos; };
    readOnlyEtc = with' containerd {
      system.etc.overlay = {
        enable = true;
        mutable = false;
      };
    };
    mirrors = with' containerd {
      virtualisation.containerd.settings.plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io".endpoint = [
        "https://mirror.example.org"
      ];
    };
    bothFiles = with' containerd {
      services.nix-snapshotter.configFile = "/etc/nix-snapshotter/config.toml";
      services.nix-snapshotter.settings.view = "binds";
    };
    goKey = with' containerd { services.nix-snapshotter.settings.external_builder = "/bin/builder"; };
    notLoopback = with' containerd { services.nix-snapshotter.settings.resolver.address = "0.0.0.0:7373"; };
    twoContainerds = {
      imports = [
        containerd
        embedded
      ];
      services.k3s.setEmbeddedContainerd = lib.mkForce false;
    };
    embeddedNoDaemon = with' k3s { services.k3s.snapshotter = "nix-snapshotter"; };
    embeddedNoResolver = with' embedded { services.nix-snapshotter.resolver.enable = false; };
    embeddedTemplate = with' embedded { services.k3s.containerdConfigTemplate = "{{ template \"base\" . }}"; };
    embeddedRegistries = with' embedded { environment.etc."rancher/k3s/registries.yaml".text = "mirrors: {}"; };
    externalSnapshotter = {
      imports = [
        containerd
        k3s
      ];
      virtualisation.containerd.k3sIntegration = true;
      services.k3s.snapshotter = "nix";
    };
    externalEmbedded = {
      imports = [
        containerd
        k3s
      ];
      virtualisation.containerd.k3sIntegration = true;
      services.k3s.setEmbeddedContainerd = true;
    };
    twoAddresses = {
      imports = [
        containerd
        k3s
      ];
      services.k3s.setEmbeddedContainerd = true;
    };
    externalNoK3s = with' containerd { virtualisation.containerd.k3sIntegration = true; };
    imagesOfNobody.services.nix-snapshotter = {
      enable = true;
      imageService.enable = true;
    };
    kubeletToNobody = with' containerd {
      services.nix-snapshotter.imageService.enable = false;
      services.nix-snapshotter.imageService.kubelet = true;
    };
    viewsForNobody.services.nix-snapshotter.rootless.viewHelper.users = [ 1000 ];
    flagToNobody = with' containerd {
      services.nix-snapshotter.imageService.enable = false;
      services.kubernetes.roles = [ "node" ];
      services.kubernetes.kubelet.extraOpts = "--image-service-endpoint unix:///run/nix-snapshotter/nix-snapshotter.sock";
    };
  };

  home = lib.mapAttrs (_: module: [ home module ]) {
    nothing = { };
    inherit rootless;

    # As with the Go version: its option names, and what people wrote for it.
    goVersion =
      { pkgs, ... }:
      {
        virtualisation.containerd.rootless = {
          enable = true;
          nixSnapshotterIntegration = true;
          gVisorIntegration = true;
          package = pkgs.containerd;
          path = [ "/usr" ];
          args.log-level = "debug";
          setNamespace = "mine";
          settings.plugins."io.containerd.grpc.v1.cri".sandbox_image = "pause";
          bindMounts."$XDG_RUNTIME_DIR/stargz".mountPoint = "/run/stargz";
        };
        services.nix-snapshotter.rootless = {
          enable = true;
          settings.gc.grace = "24h";
          path = [ pkgs.nix ];
        };
        services.preload-containerd.rootless = {
          enable = true;
          targets = [ { archives = [ (pkgs.nix-snapshotter.buildImage { name = "hello"; }) ]; } ];
        };
      };

    k3s.services.k3s.rootless = {
      enable = true;
      setEmbeddedContainerd = true;
      setKubeConfig = true;
      snapshotter = "nix";
      extraFlags = [ "--disable traefik" ];
    };

    # Each of these is refused, with a text that says what to do.
    noDaemon.virtualisation.containerd.rootless = {
      enable = true;
      nixSnapshotterIntegration = true;
    };
    noContainerd.services.nix-snapshotter.rootless.enable = true;
    integrationAlone.virtualisation.containerd.rootless.gVisorIntegration = true;
    bothFiles = with' rootless {
      services.nix-snapshotter.rootless.configFile = "/home/alice/config.toml";
      services.nix-snapshotter.rootless.settings.view = "binds";
    };
    k3sDaemon.services.k3s.rootless = {
      enable = true;
      snapshotter = "nix-snapshotter";
    };
    twoAddresses = with' rootless {
      services.k3s.rootless = {
        enable = true;
        setEmbeddedContainerd = true;
      };
    };
  };
}
