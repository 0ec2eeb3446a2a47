# `nix run .#vm-rootless`: k3s without root, with the Go version of the snapshotter that it has built in.
{ examples, lib, ... }:
{
  imports = [ ./vm-common.nix ];

  services.k3s.rootless = {
    enable = true;
    setKubeConfig = true;
    setEmbeddedContainerd = true;
    snapshotter = "nix";
  };

  services.preload-containerd.rootless = {
    enable = true;
    targets = [
      {
        archives = lib.attrValues examples;
        address = "$XDG_RUNTIME_DIR/k3s/containerd/containerd.sock";
        namespace = "k8s.io";
      }
    ];
  };

  users.users.rootless = {
    uid = 1000;
    isNormalUser = true;
    linger = true;
    password = "rootless";
  };
}
