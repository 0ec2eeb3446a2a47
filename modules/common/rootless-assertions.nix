# What cannot work together without root, each with what to do.
{ config, lib }:
let
  snapshotter = config.services.nix-snapshotter.rootless;
  containerd = config.virtualisation.containerd.rootless;
  k3s = config.services.k3s.rootless;
in
[
  {
    assertion = containerd.enable && containerd.nixSnapshotterIntegration -> snapshotter.enable;
    message =
      "virtualisation.containerd.rootless.nixSnapshotterIntegration needs the daemon, else containerd has a snapshotter that does "
      + "not answer: set services.nix-snapshotter.rootless.enable = true.";
  }
  {
    assertion = snapshotter.enable -> containerd.enable;
    message =
      "services.nix-snapshotter.rootless runs in the namespaces of a containerd without root, and there is none: set "
      + "virtualisation.containerd.rootless.enable = true.";
  }
  {
    assertion = containerd.nixSnapshotterIntegration || containerd.gVisorIntegration -> containerd.enable;
    message =
      "virtualisation.containerd.rootless: an integration is on, and containerd is not: set "
      + "virtualisation.containerd.rootless.enable = true.";
  }
  {
    assertion = k3s.enable -> k3s.snapshotter != "nix-snapshotter";
    message =
      "services.k3s.rootless.snapshotter: this project's daemon does not run in the namespaces of a k3s without root; use \"nix\", the Go "
      + "version that k3s has built in, or services.k3s.";
  }
  {
    assertion = !(k3s.enable && k3s.setEmbeddedContainerd && containerd.enable);
    message =
      "CONTAINERD_ADDRESS is claimed twice: by services.k3s.rootless.setEmbeddedContainerd, and by "
      + "virtualisation.containerd.rootless.enable. Remove one of the two.";
  }
]
