/*
  Everything that the tests ask of the modules, as one value: what each configuration gives, and the documentation of the options.

  `libPath`: this folder's lib.nix, or the real library.
*/
{
  libPath,
  containerdVersion ? "2.3.7",
}:
let
  lib = import libPath;
  pkgs = import ./nixos-packages.nix { inherit lib containerdVersion; };
  configurations = import ./configurations.nix { inherit lib pkgs; };

  # What is read of a configuration; texts in place of derivations.
  outcome =
    { config, failed, ... }:
    if failed != [ ] then
      { inherit failed; }
    else
      {
        inherit failed;
        inherit (config) systemd warnings;
        files = fileOf config.services.nix-snapshotter.rootless // {
          rootlessContainerd = config.virtualisation.containerd.rootless.settings;
          scripts = lib.mapAttrs (_: unit: unit.Service.ExecStart.text or null) config.services.nix-snapshotter.rootless.units;
        };
      }
      // lib.optionalAttrs (config ? environment) {
        shell = config.environment.extraInit;
        file = fileOf config.services.nix-snapshotter;
        containerd = config.virtualisation.containerd.settings;
        kubelet = config.services.kubernetes.kubelet.extraOpts;
        preload = preloadOf config.systemd.services;
      }
      // lib.optionalAttrs (config ? home) { shell = config.home.sessionVariablesExtra; };
  fileOf = daemon: lib.optionalAttrs daemon.enable { daemon = daemon.configFile.value or null; };
  preloadOf = services: services.preload-containerd.serviceConfig.ExecStart.text or null;

  # Only what this project declares.
  documentation =
    evaluated:
    map
      (option: {
        inherit (option) name type description;
        default = option.default.text or null;
        example = option.example.text or null;
      })
      (
        lib.filter (
          option:
          option.visible && !option.internal && lib.any (lib.hasInfix "/modules/") (map toString option.declarations)
        ) (lib.optionAttrSetToDocList evaluated.options)
      );
  nixos = modules: import ./nixos.nix { inherit lib pkgs modules; };
  machine =
    module:
    outcome' (nixos [
      ../../modules/nixos
      module
      {
        _module.args = {
          examples = { inherit (pkgs) hello; };
          k8sResources = lib.genAttrs [ "redisPod" "redisService" ] (kind: { inherit kind; });
        };
      }
    ]);
  # All of it, whether read or not.
  outcome' = evaluated: builtins.deepSeq (outcome evaluated) evaluated;
  home = modules: import ./home.nix { inherit lib pkgs modules; };
  names = directory: lib.filter (lib.hasSuffix ".nix") (lib.attrNames (builtins.readDir directory));
in
{
  nixos = lib.mapAttrs (_: modules: outcome (nixos modules)) configurations.nixos;
  home = lib.mapAttrs (_: modules: outcome (home modules)) configurations.home;
  # Each module by itself: what it needs it imports.
  alone = {
    nixos = lib.genAttrs (lib.filter (name: !lib.hasPrefix "vm" name && name != "redis-spec.nix") (names ../../modules/nixos)) (
      name: (outcome (nixos [ (../../modules/nixos + "/${name}") ])).failed
    );
    home = lib.genAttrs (names ../../modules/home) (
      name: (outcome (home [ (../../modules/home + "/${name}") ])).failed
    );
  };
  # Machines and NixOS tests, whose running needs the real NixOS.
  machines = lib.genAttrs [ "vm.nix" "vm-rootless.nix" ] (
    name: (machine (../../modules/nixos + "/${name}")).failed
  );
  tests = lib.genAttrs (names ../../modules/nixos/tests) (
    name:
    let
      test = import (../../modules/nixos/tests + "/${name}") { inherit lib pkgs; };
      nodes = lib.mapAttrs (_: machine) test.nodes;
      script = test.testScript;
    in
    {
      inherit (test) name;
      failed = lib.mapAttrs (_: node: node.failed) nodes;
      testScript =
        if lib.isFunction script then script { nodes = lib.mapAttrs (_: node: node.config) nodes; } else script;
    }
  );
  # Home Manager with a package set that has no overlay of ours: nothing of that name, or the Go version, as nixpkgs has it.
  withoutOverlay =
    lib.mapAttrs
      (
        _: overlays:
        (import ./home.nix {
          inherit lib;
          pkgs = import ./. {
            inherit lib overlays;
            system = "x86_64-linux";
          };
          modules = [ ../../modules/home ];
        }).config.services.nix-snapshotter.rootless.package.name
      )
      {
        nothing = [ ];
        goVersion = [
          (_: _: { nix-snapshotter = removeAttrs pkgs.nix-snapshotter [ "buildMultiArchImage" ]; })
        ];
        ours = [ (_: _: { inherit (pkgs) nix-snapshotter; }) ];
      };
  options = {
    nixos = documentation (nixos [ ../../modules/nixos ]);
    home = documentation (home [ ../../modules/home ]);
  };
}
