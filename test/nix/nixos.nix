/*
  A stand-in for NixOS: the options that this project's modules read or set, as nixpkgs declares them (names, types, defaults, and what its
  containerd, k3s and kubelet modules set themselves); all others are refused.

  Gives `config` and `options` of the modules, and `failed`, the texts of assertions that do not hold.
*/
{
  lib,
  pkgs,
  modules,
}:
let
  inherit (lib) mkOption types;
  units = import ./nixos-units.nix { inherit lib; };
  option = type: default: mkOption { inherit type default; };

  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = option (types.listOf types.str) [ ];
    nix.package = option types.package pkgs.nix;
    nix.settings = option (types.attrsOf types.anything) { };
    boot.kernel.sysctl = option (types.attrsOf (types.either types.str types.int)) { };
    networking = {
      proxy.envVars = option types.attrs { };
    };
    environment = {
      systemPackages = option (types.listOf types.package) [ ];
      extraInit = option types.lines "";
      etc = option (types.attrsOf (
        types.submodule {
          options = {
            text = option (types.nullOr types.lines) null;
            source = mkOption { type = types.path; };
            mode = option types.str "symlink";
          };
        }
      )) { };
    };
    users = {
      users = option (types.attrsOf (
        types.submodule {
          options = {
            uid = option (types.nullOr types.int) null;
            isNormalUser = option types.bool false;
            linger = option (types.nullOr types.bool) null;
            password = option (types.nullOr types.str) null;
            initialHashedPassword = option (types.nullOr types.str) null;
          };
        }
      )) { };
    };
    systemd = {
      services = option (types.attrsOf units.service) { };
      sockets = option (types.attrsOf units.socket) { };
      tmpfiles.settings = option (types.attrsOf (
        types.attrsOf (
          types.attrsOf (
            types.submodule {
              options.mode = option types.str "-";
            }
          )
        )
      )) { };
      user.services = option (types.attrsOf units.service) { };
      user.sockets = option (types.attrsOf units.socket) { };
    };
    system.stateVersion = option types.str "26.05";
    system.etc.overlay = {
      enable = option types.bool false;
      mutable = option types.bool true;
    };
    services = {
      dockerRegistry.enable = option types.bool false;
      kubernetes = {
        roles = option (types.listOf (types.enum [ "master" "node" ])) [ ];
        masterAddress = option types.str "";
        pki.etcClusterAdminKubeconfig = option (types.nullOr types.str) "kubernetes/cluster-admin.kubeconfig";
        kubelet = {
          enable = option types.bool false;
          extraOpts = option (types.separatedString " ") "";
        };
      };
      k3s = {
        enable = option types.bool false;
        package = option types.package pkgs.k3s;
        role = option (types.enum [ "server" "agent" ]) "server";
        extraFlags = option (types.either types.str (types.listOf types.str)) [ ];
        configPath = option (types.nullOr types.path) null;
        containerdConfigTemplate = option (types.nullOr types.str) null;
      };
    };
    virtualisation = {
      memorySize = option types.int 1024;
      containerd = {
        enable = option types.bool false;
        configFile = option (types.nullOr types.path) null;
        settings = option (pkgs.formats.toml { }).type { };
        args = option (types.attrsOf types.str) { };
      };
    };
  };

  # What nixpkgs' own modules say where ours meet them.
  nixpkgs =
    { config, ... }:
    let
      inherit (config.virtualisation) containerd;
      inherit (config.services) kubernetes k3s;
    in
    {
      config = lib.mkMerge [
        { _module.args = { inherit pkgs; }; }
        (lib.mkIf containerd.enable {
          virtualisation.containerd.settings = {
            version = 2;
            plugins."io.containerd.grpc.v1.cri".cni.bin_dir = lib.mkOptionDefault "${pkgs.cni-plugins}/bin";
          };
          systemd.services.containerd.serviceConfig.ExecStart = "${pkgs.containerd}/bin/containerd";
        })
        (lib.mkIf (kubernetes.roles != [ ]) {
          services.kubernetes.kubelet.enable = lib.mkDefault true;
          virtualisation.containerd.enable = lib.mkDefault true;
          virtualisation.containerd.settings =
            lib.mapAttrsRecursive (_: lib.mkDefault) {
              version = 2;
              plugins."io.containerd.grpc.v1.cri" = {
                sandbox_image = "pause:latest";
                cni.bin_dir = "/opt/cni/bin";
                containerd.runtimes.runc = {
                  runtime_type = "io.containerd.runc.v2";
                  options.SystemdCgroup = true;
                };
              };
            };
        })
        (lib.mkIf k3s.enable {
          systemd.services.k3s.serviceConfig.ExecStart = lib.concatStringsSep " \\\n " (
            [ "${k3s.package}/bin/k3s ${k3s.role}" ] ++ lib.flatten k3s.extraFlags
          );
        })
      ];
    };

  evaluated = lib.evalModules {
    modules = [
      { inherit options; }
      nixpkgs
    ]
    ++ modules;
    specialArgs.modulesPath = toString ./nixos;
  };
in
{
  inherit (evaluated) config options;
  failed = map (one: one.message) (lib.filter (one: !one.assertion) evaluated.config.assertions);
}
