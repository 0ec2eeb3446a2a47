# The keys of the daemon's configuration as the modules have them, with what they say of type and default.
let
  lib = import ./lib.nix;
  inherit (import ../../modules/common/settings.nix { inherit lib; }) defaults keys;
in
{
  inherit defaults;
  keys = lib.listToAttrs (
    map (option: lib.nameValuePair option.key { inherit (option) default type; }) (
      let
        go =
          path: value:
          if lib.isOption value then
            [
              {
                key = lib.concatStringsSep "." path;
                default = value.defaultText.text;
                type = value.type.description;
              }
            ]
          else
            lib.concatLists (lib.mapAttrsToList (name: go (path ++ [ name ])) value);
      in
      go [ ] keys
    )
  );
}
