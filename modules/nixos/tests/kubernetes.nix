# NixOS's Kubernetes: a pod whose image is a store path, by the resolver and by the CRI image service.
{ lib, pkgs, ... }:
let
  node = {
    imports = [
      ../redis-spec.nix
      {
        virtualisation.containerd = {
          enable = true;
          nixSnapshotterIntegration = true;
        };
        services.nix-snapshotter.enable = true;
        services.kubernetes = {
          roles = [
            "master"
            "node"
          ];
          masterAddress = "localhost";
        };
        environment.systemPackages = [
          pkgs.kubectl
          pkgs.redis
        ];
        virtualisation.memorySize = 2048;
      }
    ];
  };
in
{
  name = "nix-snapshotter-kubernetes";

  nodes = {
    resolver = node;
    imageservice = {
      imports = [ node ];
      services.nix-snapshotter.imageService.kubelet = true;
    };
  };

  testScript =
    { nodes, ... }:
    let
      kubeconfig = "/etc/${nodes.resolver.services.kubernetes.pki.etcClusterAdminKubeconfig}";
    in
    ''
      start_all()
      for machine in [resolver, imageservice]:
          kubectl = "kubectl --kubeconfig ${kubeconfig}"
          machine.wait_until_succeeds(f"{kubectl} get node {machine.name} | grep -w Ready")
          machine.wait_until_succeeds(f"{kubectl} apply -f /etc/kubernetes/redis/")
          machine.wait_until_succeeds(f"{kubectl} get pod redis | grep Running")
          address = machine.succeed(f"{kubectl} get pod redis -o " + "jsonpath='{.status.podIP}'")
          machine.wait_until_succeeds(f"redis-cli -h {address} ping | grep PONG")
    '';
}
