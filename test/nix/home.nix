/*
  A stand-in for Home Manager: the options that this project's modules read or set, as it declares them; all others are refused.

  Gives what ./nixos.nix gives.
*/
{
  lib,
  pkgs,
  modules,
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };

  # As its systemd.nix: sections of systemd's own names.
  primitive = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
  ];
  unit = types.submodule {
    freeformType = types.attrsOf (types.attrsOf (types.either primitive (types.listOf primitive)));
  };

  evaluated = lib.evalModules {
    modules = [
      {
        options = {
          assertions = option (types.listOf types.unspecified) [ ];
          warnings = option (types.listOf types.str) [ ];
          home = {
            packages = option (types.listOf types.package) [ ];
            sessionVariablesExtra = option types.lines "";
            homeDirectory = option types.path "/home/alice";
          };
          nix.package = option (types.nullOr types.package) null;
          systemd.user.services = option (types.attrsOf unit) { };
          systemd.user.sockets = option (types.attrsOf unit) { };
        };
        config._module.args = { inherit pkgs; };
      }
    ]
    ++ modules;
  };
in
{
  inherit (evaluated) config options;
  failed = map (one: one.message) (lib.filter (one: !one.assertion) evaluated.config.assertions);
}
