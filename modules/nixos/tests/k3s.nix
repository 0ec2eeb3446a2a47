# k3s with its own containerd and this daemon, with the Go version that it has built in, and on the system's containerd.
{ pkgs, ... }:
let
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
      imports = [ common ];
      services.k3s.snapshotter = "nix-snapshotter";
      services.nix-snapshotter.enable = true;
    };
    builtin = {
      imports = [ common ];
      services.k3s.snapshotter = "nix";
    };
    external = {
      imports = [ common ];
      virtualisation.containerd = {
        enable = true;
        k3sIntegration = true;
        nixSnapshotterIntegration = true;
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
            machine.wait_until_succeeds("redis-cli -p 30000 ping | grep PONG")
  '';
}
