# What the system's daemon and a user's have in common: their options, and what is wrong with them for sure.
{ lib, pkgs }:
let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    types
    ;

  settings = import ./settings.nix { inherit lib; };
  format = pkgs.formats.toml { };

  # nixpkgs has a package of the same name: the Go version, which has buildImage alone.
  isOurs = package: package ? buildMultiArchImage;
in
{
  inherit settings;

  options = {
    enable = mkEnableOption "nix-snapshotter, a containerd snapshotter that understands Nix store paths";

    # Where Home Manager uses the package set of NixOS, an overlay of Home Manager's own counts for nothing: ours is not needed.
    package = mkOption {
      type = types.package;
      default =
        if pkgs ? nix-snapshotter && isOurs pkgs.nix-snapshotter then
          pkgs.nix-snapshotter
        else
          pkgs.callPackage ../package/package.nix { };
      defaultText = literalExpression "pkgs.nix-snapshotter";
      description = ''
        The nix-snapshotter package to use; without the overlay it is built from this source, as `pkgs.nix-snapshotter` is the Go
        version then.
      '';
    };

    path = mkOption {
      type = types.listOf (types.either types.package types.path);
      default = [ pkgs.nix ];
      defaultText = literalExpression "[ pkgs.nix ]";
      description = "Packages in the daemon's `PATH`: the Nix it uses.";
    };

    settings = settings.option { inherit format; };

    setContainerdSnapshotter = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether `nix` is the default snapshotter of nerdctl and ctr (`CONTAINERD_SNAPSHOTTER`).
      '';
    };

    resolver.enable = mkOption {
      type = types.bool;
      description = ''
        Whether the daemon serves store paths as images on a loopback address, so that every client of containerd runs
        `nix:0/nix/store/…`. The token that clients show is made on the node, readable by the daemon's user alone.
      '';
    };

    imageService.enable = mkOption {
      type = types.bool;
      description = ''
        Whether the daemon serves CRI's image service in front of containerd's, on its own socket.
      '';
    };
  };

  # The option for a file of one's own; its value is the file that is used. `cfg` are the daemon's options.
  configFileOf =
    cfg:
    mkOption {
      type = types.nullOr types.path;
      default = null;
      apply =
        file: if file == null then format.generate "config.toml" (settings.render cfg.settings) else file;
      description = "The daemon's configuration file, in place of {option}`settings`.";
    };

  # Whether somebody gave a file of their own; `options` are those of the daemon.
  hasOwnFile = options: lib.any (file: file != null) options.configFile.definitions;

  # `name`: what the daemon's options are called.
  assertions =
    {
      name,
      cfg,
      ownFile,
    }:
    settings.assertions "${name}.settings" cfg.settings
    ++ [
      {
        assertion = cfg.package ? buildImage -> isOurs cfg.package;
        message =
          "${name}.package is the Go version, as nixpkgs' own nix-snapshotter is, which knows neither these settings nor what the units "
          + "call: leave the option alone, or add this project's overlay to nixpkgs.overlays.";
      }
      {
        assertion = !ownFile || settings.render cfg.settings == { };
        message =
          "${name}.configFile replaces ${name}.settings as a whole, but both are set (settings: "
          + "${lib.concatStringsSep ", " (lib.attrNames (settings.render cfg.settings))}). Put them into the file, or remove configFile.";
      }
    ];
}
