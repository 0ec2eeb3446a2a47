# The parts of NixOS's systemd options that all kinds of unit have.
{ lib }:
let
  inherit (lib) mkOption types;
  names = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  # As nixpkgs' systemd-unit-options.nix: strings, or what can be made one; lists are repeated lines.
  value = types.oneOf [
    types.bool
    types.int
    types.path
    types.str
    types.package
    (types.listOf types.str)
  ];
in
rec {
  section = mkOption {
    type = types.attrsOf value;
    default = { };
  };
  common = {
    description = mkOption {
      type = types.str;
      default = "";
    };
    before = names;
    after = names;
    requires = names;
    wants = names;
    partOf = names;
    bindsTo = names;
    wantedBy = names;
    unitConfig = section;
  };
  service = types.submodule {
    options = common // {
      serviceConfig = section;
      environment = mkOption {
        type = types.attrsOf (types.nullOr types.str);
        default = { };
      };
      path = mkOption {
        type = types.listOf (types.either types.package types.str);
        default = [ ];
      };
      preStart = mkOption {
        type = types.lines;
        default = "";
      };
    };
  };
  socket = types.submodule { options = common // { socketConfig = section; }; };
}
