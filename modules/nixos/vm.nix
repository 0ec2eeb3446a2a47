# `nix run .#vm`: k3s on the system's containerd, and containerd for the user "rootless" as well; the examples are loaded.
{ examples, lib, ... }:
let
  archives = lib.attrValues examples;
in
{
  imports = [ ./vm-common.nix ];

  services.k3s = {
    enable = true;
    setKubeConfig = true;
  };

  virtualisation.containerd = {
    enable = true;
    k3sIntegration = true;
    nixSnapshotterIntegration = true;
  };

  services.nix-snapshotter.enable = true;

  services.preload-containerd = {
    enable = true;
    targets = [
      { inherit archives; }
      {
        inherit archives;
        namespace = "k8s.io";
      }
    ];
  };

  virtualisation.containerd.rootless = {
    enable = true;
    nixSnapshotterIntegration = true;
  };

  services.nix-snapshotter.rootless.enable = true;

  services.preload-containerd.rootless = {
    enable = true;
    targets = [ { inherit archives; } ];
  };

  users.users.rootless = {
    uid = 1000;
    isNormalUser = true;
    linger = true;
    password = "rootless";
  };
}
