# Images that are loaded into a containerd when it starts.
{ lib, pkgs }:
let
  inherit (lib) literalMD mkEnableOption mkOption types;
in
{
  # `address`, `snapshotter`: of the containerd that is meant unless told; `snapshotterText`: what documentation says of the latter.
  options =
    {
      address,
      snapshotter ? "nix",
      snapshotterText ? "`\"nix\"`",
    }:
    {
      enable = mkEnableOption "the loading of images into containerd when it starts";

      targets = mkOption {
        default = [ ];
        description = "What is loaded where.";
        type = types.listOf (
          types.submodule {
            options = {
              archives = mkOption {
                type = types.listOf (types.either types.package types.path);
                default = [ ];
                description = "Images: OCI or docker archives, or OCI layouts.";
              };
              address = mkOption {
                type = types.str;
                default = address;
                description = "containerd's socket; variables of the environment are put in.";
              };
              namespace = mkOption {
                type = types.str;
                default = "default";
                example = "k8s.io";
                description = "containerd's namespace; that of Kubernetes is `k8s.io`.";
              };
              snapshotter = mkOption {
                type = types.str;
                default = snapshotter;
                defaultText = literalMD snapshotterText;
                description = "What the snapshotter is called there.";
              };
            };
          }
        );
      };
    };

  # The unit; `package` has nix2container.
  service =
    { cfg, package }:
    {
      Unit = {
        Description = "Images for containerd";
        Wants = [
          "containerd.service"
          "nix-snapshotter.service"
        ];
        After = [
          "containerd.service"
          "nix-snapshotter.service"
          "k3s.service"
        ];
        StartLimitBurst = 30;
        StartLimitIntervalSec = 600;
      };
      Service = {
        Type = "oneshot";
        RemainAfterExit = true;
        # The containerd in a k3s without root listens some time after its unit has started.
        Restart = "on-failure";
        RestartSec = 5;
        ExecStart = pkgs.writeShellScript "preload" (
          "set -eu\n"
          + lib.concatMapStrings (
            target:
            lib.concatMapStrings (archive: ''
              ${package}/bin/nix2container --address "${target.address}" --namespace ${lib.escapeShellArg target.namespace} \
                load --snapshotter ${lib.escapeShellArg target.snapshotter} ${archive}
            '') target.archives
          ) cfg.targets
        );
      };
      Install.WantedBy = [ "multi-user.target" ];
    };
}
