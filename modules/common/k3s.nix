# Options that the system's k3s and a user's have in common.
{ lib }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    setEmbeddedContainerd = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether `CONTAINERD_ADDRESS`, `CONTAINERD_NAMESPACE` and `CONTAINERD_SNAPSHOTTER` of login shells lead to the containerd in
        k3s.
      '';
    };

    setKubeConfig = mkOption {
      type = types.bool;
      default = false;
      description = "Whether `KUBECONFIG` of login shells leads to k3s.";
    };

    snapshotter = mkOption {
      type = types.enum [
        "overlayfs"
        "native"
        "btrfs"
        "fuse-overlayfs"
        "stargz"
        "nix"
        "nix-snapshotter"
      ];
      default = "overlayfs";
      description = ''
        Snapshotter of the containerd in k3s. `nix` is the Go version that k3s has built in (1.33 and newer); `nix-snapshotter` is this
        project's daemon, which a k3s without root cannot have.
      '';
    };
  };

  # Variables of login shells.
  variables =
    {
      cfg,
      address,
      kubeconfig,
    }:
    {
      CONTAINERD_ADDRESS = lib.optionalString cfg.setEmbeddedContainerd address;
      CONTAINERD_NAMESPACE = lib.optionalString cfg.setEmbeddedContainerd "k8s.io";
      CONTAINERD_SNAPSHOTTER = lib.optionalString cfg.setEmbeddedContainerd cfg.snapshotter;
      KUBECONFIG = lib.optionalString cfg.setKubeConfig kubeconfig;
    };
}
