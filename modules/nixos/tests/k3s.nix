# k3s with its own containerd and this daemon, with the Go version that it has built in, and on the system's containerd.
{ pkgs, ... }:
let
  # In place of the one of Docker Hub: a test has no network.
  pause = pkgs.nix-snapshotter.buildImage {
    name = "localhost/pause";
    config.Entrypoint = [ "${pkgs.kubernetes.pause}/bin/pause" ];
  };
  preload = address: {
    services.preload-containerd = {
      enable = true;
      targets = [
        {
          inherit address;
          archives = [ pause ];
          namespace = "k8s.io";
        }
      ];
    };
  };
  ofK3s = {
    imports = [ (preload "/run/k3s/containerd/containerd.sock") ];
    services.k3s.moreFlags = [ "--pause-image ${pause.image}" ];
  };
  common = {
    imports = [ ../redis-spec.nix ];
    services.k3s = {
      enable = true;
      setKubeConfig = true;
    };
    environment.systemPackages = [
      pkgs.kubectl
      pkgs.redis
    ];
    virtualisation.memorySize = 2048;
  };
in
{
  name = "nix-snapshotter-k3s";

  nodes = {
    embedded = {
      imports = [
        common
        ofK3s
      ];
      services.k3s.snapshotter = "nix-snapshotter";
      services.nix-snapshotter.enable = true;
    };
    builtin = {
      imports = [
        common
        ofK3s
      ];
      services.k3s.snapshotter = "nix";
    };
    external = {
      imports = [
        common
        (preload "/run/containerd/containerd.sock")
      ];
      virtualisation.containerd = {
        enable = true;
        k3sIntegration = true;
        nixSnapshotterIntegration = true;
        settings.plugins."io.containerd.grpc.v1.cri".sandbox_image = pause.image;
      };
      services.nix-snapshotter.enable = true;
    };
  };

  testScript = ''
    start_all()
    for machine in [embedded, builtin, external]:
        with subtest(f"{machine.name}: a pod whose image is a store path runs"):
            machine.wait_until_succeeds(f"kubectl get node {machine.name} | grep -w Ready")
            machine.wait_until_succeeds("kubectl apply -f /etc/kubernetes/redis/")
            machine.wait_until_succeeds("kubectl get pod redis | grep Running")
            address = machine.succeed("kubectl get pod redis -o jsonpath='{.status.podIP}'")
            machine.wait_until_succeeds(f"redis-cli -h {address} ping | grep PONG")
  '';
}
