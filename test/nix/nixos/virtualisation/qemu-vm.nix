# What of NixOS's module of that name machines set.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.virtualisation = {
    cores = mkOption {
      type = types.ints.positive;
      default = 1;
    };
    graphics = mkOption {
      type = types.bool;
      default = true;
    };
    diskImage = mkOption {
      type = types.nullOr types.str;
      default = "./nixos.qcow2";
    };
  };
}
