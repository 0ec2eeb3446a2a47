# Variables of a login shell, each left alone where it is set already; empty ones are left out.
{ lib }:
variables:
lib.concatStrings (
  lib.mapAttrsToList (
    name: value:
    lib.optionalString (value != "") ''
      if [ -z "''${${name}:-}" ]; then
        export ${name}="${value}"
      fi
    ''
  ) variables
)
