/*
  Variables of a login shell, each left alone where it is set already; empty ones are left out. Where CONTAINERD_ADDRESS leads to
  another containerd than the one that is told here, namespace and snapshotter of this one are not told.
*/
{ lib }:
variables:
let
  set =
    name: value:
    lib.optionalString (value != "") ''
      if [ -z "''${${name}:-}" ]; then
        export ${name}="${value}"
      fi
    '';
  setAll = chosen: lib.concatStrings (lib.mapAttrsToList set chosen);

  address = variables.CONTAINERD_ADDRESS or "";
  dependent = lib.filterAttrs (
    name: value: name != "CONTAINERD_ADDRESS" && lib.hasPrefix "CONTAINERD_" name && value != ""
  ) variables;
in
if address == "" || dependent == { } then
  setAll variables
else
  set "CONTAINERD_ADDRESS" address
  + ''
    if [ "$CONTAINERD_ADDRESS" = "${address}" ]; then
    ${setAll dependent}fi
  ''
  + setAll (removeAttrs variables ([ "CONTAINERD_ADDRESS" ] ++ lib.attrNames dependent))
