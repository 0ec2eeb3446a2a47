/*
  A user's containerd under RootlessKit, and what belongs to it: the daemon in its namespaces, images to load, k3s. For NixOS and
  Home Manager alike, which take `services.nix-snapshotter.rootless.units` and `.shell` over.
*/
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkOption
    mkPackageOption
    types
    ;

  cfg = config.services.nix-snapshotter.rootless;
  ctrd = config.virtualisation.containerd.rootless;
  k3s = config.services.k3s.rootless;
  preload = config.services.preload-containerd.rootless;

  daemon = import ./daemon.nix { inherit lib pkgs; };
  common = import ./containerd.nix { inherit lib; };
  containerdSettings = import ./containerd-settings.nix { inherit lib; };
  environment = import ./environment.nix { inherit lib; };
  k3sCommon = import ./k3s.nix { inherit lib; };
  preloadCommon = import ./preload.nix { inherit lib pkgs; };
  units = import ./units.nix { inherit lib; };

  format = pkgs.formats.toml { };
  ownFile = daemon.hasOwnFile options.services.nix-snapshotter.rootless;
  program = "${cfg.package}/bin/nix-snapshotter";
  address = "$XDG_RUNTIME_DIR/containerd/containerd.sock";

  # newuidmap and newgidmap are the host's: they are setuid, which nothing in the store is. NixOS's first, then of others.
  hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  script =
    name: path: text:
    pkgs.writeShellScript name ''
      set -eu
      export PATH=/run/wrappers/bin:${lib.makeBinPath path}:/run/current-system/sw/bin:${hostPath}
      ${text}
    '';

  checkedConfig =
    pkgs.runCommand "containerd-config-checked.toml" { nativeBuildInputs = [ ctrd.package ]; }
      ''
        containerd --config ${configFile} config dump > /dev/null
        ln -s ${configFile} $out
      '';
  configFile = format.generate "containerd.toml" ctrd.settings;

  child = script "containerd-rootless-child" (
    ctrd.path
    ++ [
      ctrd.package
      pkgs.coreutils
      pkgs.iptables
      pkgs.kmod
      pkgs.runc
      pkgs.util-linux
    ]
  ) ''
    ${builtins.readFile ./containerd-rootless-child.sh}
    ${lib.concatMapStrings
      (source: ''
        show "${source}" "${ctrd.bindMounts.${source}.mountPoint}"
      '')
      # What lies in another one comes after it.
      (lib.sort (a: b: ctrd.bindMounts.${a}.mountPoint < ctrd.bindMounts.${b}.mountPoint) (lib.attrNames ctrd.bindMounts))
    }
    if [ -n "''${CONTAINERD_ROOTLESS_SELINUX:-}" ]; then
      chcon system_u:object_r:iptables_var_run_t:s0 /run
    fi
    exec containerd ${
      lib.escapeShellArgs (lib.mapAttrsToList (name: value: "--${name}=${value}") ctrd.args)
    } "$@"
  '';
  parent = script "containerd-rootless" (
    ctrd.path
    ++ [
      pkgs.coreutils
      pkgs.iproute2
      pkgs.rootlesskit
      pkgs.slirp4netns
      pkgs.util-linux
    ]
  ) ''
    set -- ${child} "$@"
    ${builtins.readFile ./containerd-rootless.sh}
  '';

  # A runsc that leaves alone the cgroups, which are not its to set.
  gVisor = pkgs.buildEnv {
    name = "gvisor-rootless";
    # The first of two files with one name counts.
    ignoreCollisions = true;
    paths = [
      (pkgs.writeShellScriptBin "runsc" ''
        exec ${pkgs.gvisor}/bin/runsc --ignore-cgroups "$@"
      '')
      pkgs.gvisor
    ];
  };
in
{
  options = {
    services.nix-snapshotter.rootless = daemon.options // {
      configFile = daemon.configFileOf cfg;
      settings = daemon.settings.option {
        inherit format;
        rootless = true;
      };
      resolver.enable = daemon.options.resolver.enable // {
        default = !ownFile;
        defaultText = lib.literalMD "`true`, without a {option}`configFile` of one's own";
      };
      imageService.enable = daemon.options.imageService.enable // {
        default = false;
      };
      units = mkOption {
        type = types.attrsOf types.attrs;
        default = { };
        internal = true;
        description = "The user's units, as common/units.nix has them.";
      };
      shell = mkOption {
        type = types.lines;
        default = "";
        internal = true;
        description = "What login shells of users do.";
      };
    };

    services.preload-containerd.rootless = preloadCommon.options { inherit address; };

    services.k3s.rootless = k3sCommon.options // {
      enable = lib.mkEnableOption "k3s without root";
      package = mkPackageOption pkgs "k3s" { };
      extraFlags = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "--disable traefik" ];
        description = "Flags of k3s.";
      };
      path = mkOption {
        type = types.listOf (types.either types.package types.path);
        default = [ ];
        description = "Packages in the `PATH` of k3s.";
      };
      environmentFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "File with variables for k3s, as systemd.exec(5) has it under EnvironmentFile.";
      };
      configPath = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "k3s's configuration file.";
      };
    };

    virtualisation.containerd.rootless = common.options { inherit address; } // {
      enable = lib.mkEnableOption "containerd without root, for each user who logs in";

      package = mkPackageOption pkgs "containerd" { };

      settings = mkOption {
        inherit (format) type;
        default = { };
        description = "containerd's configuration file.";
      };

      args = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = {
          log-level = "debug";
        };
        description = "Flags of containerd, by their names.";
      };

      bindMounts = mkOption {
        type = types.attrsOf (
          types.submodule {
            options.mountPoint = mkOption {
              type = types.str;
              example = "/run/containerd";
              description = "Where it is in the namespaces.";
            };
          }
        );
        default = { };
        example = literalExpression ''{ "$XDG_DATA_HOME/volumes".mountPoint = "/var/lib/volumes"; }'';
        description = ''
          Directories of the user's that are somewhere else in containerd's namespaces. They are made; variables are put in.
        '';
      };

      nsenter = mkOption {
        type = types.package;
        defaultText = literalExpression "a program that is made";
        description = "`containerd-nsenter COMMAND`, which runs a command in containerd's namespaces.";
      };

      lib = mkOption {
        type = types.attrs;
        internal = true;
        readOnly = true;
        default = containerdSettings // {
          inherit parent child;
        };
        description = "Parts of containerd's configuration, and the programs that start it.";
      };
    };
  };

  config = lib.mkMerge [
    {
      assertions = import ./rootless-assertions.nix { inherit config lib; };
    }

    (lib.mkIf ctrd.enable {
      assertions = common.assertions "virtualisation.containerd.rootless" ctrd;

      virtualisation.containerd.rootless = {
        args.config = lib.mkDefault (toString checkedConfig);

        settings = lib.mkMerge [
          { version = 2; }
          (containerdSettings.base {
            version = 2;
            inherit (ctrd) defaultRuntime;
            cniPlugins = pkgs.cni-plugins;
            systemdCgroup = false;
          })
          (containerdSettings.rootless { version = 2; })
        ];

        bindMounts = {
          "$XDG_RUNTIME_DIR/containerd".mountPoint = "/run/containerd";
          "$XDG_DATA_HOME/containerd".mountPoint = "/var/lib/containerd";
          "$XDG_DATA_HOME/cni".mountPoint = "/var/lib/cni";
          "$XDG_CONFIG_HOME/cni".mountPoint = "/etc/cni";
        };

        nsenter = pkgs.writeShellScriptBin "containerd-nsenter" ''
          set -eu
          : "''${XDG_RUNTIME_DIR:?is not set}"
          exec ${pkgs.util-linux}/bin/nsenter --no-fork --preserve-credentials --user --mount --net \
            --target "$(cat "$XDG_RUNTIME_DIR/containerd-rootless/child_pid")" -- "$@"
        '';
      };

      services.nix-snapshotter.rootless = {
        shell = environment (common.variables ctrd);
        units.containerd = units.rootlessContainerd parent;
      };
    })

    (lib.mkIf (ctrd.enable && ctrd.gVisorIntegration) {
      virtualisation.containerd.rootless = {
        path = [ gVisor ];
        settings = containerdSettings.gVisor { version = 2; };
      };
    })

    (lib.mkIf (ctrd.enable && ctrd.nixSnapshotterIntegration) {
      virtualisation.containerd.rootless = {
        setSnapshotter = lib.mkDefault "nix";
        settings = containerdSettings.nixSnapshotter {
          version = 2;
          release = ctrd.package.version;
          platform = containerdSettings.platformOf pkgs.stdenv.hostPlatform.system;
          socket = (daemon.settings.effective cfg.settings).address;
          root = (daemon.settings.effective cfg.settings).root;
          # CRI would look below the host's /etc.
          hosts = false;
        };
        # The daemon serves and stores below the user's own directories, whose names Nix's daemon knows: a GC root
        # that only the namespaces have would keep nothing.
        bindMounts = {
          "$XDG_RUNTIME_DIR/nix-snapshotter".mountPoint = "/run/nix-snapshotter";
          "$XDG_DATA_HOME/nix-snapshotter".mountPoint = "/var/lib/containerd/io.containerd.snapshotter.v1.nix";
        };
      };
    })

    (lib.mkIf cfg.enable {
      assertions = daemon.assertions {
        name = "services.nix-snapshotter.rootless";
        inherit cfg ownFile;
      };

      virtualisation.containerd.rootless.setSnapshotter =
        lib.mkIf cfg.setContainerdSnapshotter (lib.mkDefault "nix");

      services.nix-snapshotter.rootless = {
        settings = {
          resolver.address = lib.mkIf cfg.resolver.enable (lib.mkDefault daemon.settings.defaults.resolver);
          image_service.enable = lib.mkIf cfg.imageService.enable (lib.mkDefault true);
        };
        units = {
          nix-snapshotter = units.rootless "${program} rootless --config ${cfg.configFile}" // {
            path = cfg.path ++ [
              pkgs.rootlesskit
              pkgs.util-linux
              "/run/wrappers"
              "/usr"
            ];
          };
          nix-snapshotter-setup = lib.mkIf cfg.resolver.enable (
            units.setup {
              command = "${program} setup --hosts --config ${cfg.configFile}";
              wantedBy = "default.target";
            }
          );
        };
      };
    })

    (lib.mkIf (preload.enable && preload.targets != [ ]) {
      services.nix-snapshotter.rootless.units.preload-containerd =
        lib.recursiveUpdate
          (preloadCommon.service {
            cfg = preload;
            inherit (cfg) package;
          })
          {
            Install.WantedBy = [ "default.target" ];
          };
    })

    (lib.mkIf k3s.enable {
      services.nix-snapshotter.rootless = {
        shell = environment (
          k3sCommon.variables {
            cfg = k3s;
            address = "$XDG_RUNTIME_DIR/k3s/containerd/containerd.sock";
            kubeconfig = "$HOME/.kube/k3s.yaml";
          }
          // {
            ROOTLESSKIT_STATE_DIR = lib.optionalString k3s.setEmbeddedContainerd "$HOME/.rancher/k3s/rootless";
          }
        );
        units.k3s = {
          path =
            k3s.path
            ++ [
              pkgs.slirp4netns
              "/run/wrappers"
              "/usr"
            ]
            # The Go version in k3s calls nix-store.
            ++ lib.optional (k3s.snapshotter == "nix") pkgs.nix;
          Unit = {
            Description = "k3s without root";
            StartLimitBurst = 3;
            StartLimitIntervalSec = 120;
          };
          Service = {
            Type = "simple";
            Delegate = "yes";
            ExecStart = lib.concatStringsSep " " (
              [ "${k3s.package}/bin/k3s server --rootless --snapshotter ${k3s.snapshotter}" ]
              ++ lib.optional (k3s.configPath != null) "--config ${k3s.configPath}"
              ++ k3s.extraFlags
            );
            Restart = "always";
            RestartSec = 2;
            KillMode = "mixed";
            LimitNOFILE = "infinity";
            LimitNPROC = "infinity";
            LimitCORE = "infinity";
            TasksMax = "infinity";
          }
          // lib.optionalAttrs (k3s.environmentFile != null) {
            EnvironmentFile = toString k3s.environmentFile;
          };
          Install.WantedBy = [ "default.target" ];
        };
      };
    })
  ];
}
