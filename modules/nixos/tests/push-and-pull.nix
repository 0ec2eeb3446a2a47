# Images go to a registry and come back; the store paths are there already.
{ lib, pkgs, ... }:
let
  images = {
    nix = pkgs.nix-snapshotter.buildImage {
      name = "localhost:5000/nix/hello";
      config.Entrypoint = [ (lib.getExe pkgs.hello) ];
    };
    docker = pkgs.dockerTools.buildImage {
      name = "localhost:5000/docker/hello";
      tag = "latest";
      config.Entrypoint = [ (lib.getExe pkgs.hello) ];
    };
  };
in
{
  name = "nix-snapshotter-push-and-pull";

  nodes.machine = {
    virtualisation.containerd = {
      enable = true;
      nixSnapshotterIntegration = true;
    };
    services.nix-snapshotter.enable = true;
    services.preload-containerd = {
      enable = true;
      targets = [ { archives = lib.attrValues images; } ];
    };
    services.dockerRegistry.enable = true;
    environment.systemPackages = [ pkgs.nerdctl ];
  };

  testScript = ''
    machine.wait_for_unit("preload-containerd.service")
    machine.wait_for_open_port(5000)

    for image in ["nix", "docker"]:
        name = f"localhost:5000/{image}/hello"
        with subtest(f"An image of {image} is pushed, removed and pulled"):
            machine.succeed(f"nerdctl push {name}")
            machine.succeed(f"nerdctl rmi {name}")
            machine.succeed(f"nerdctl pull {name}")
            machine.succeed(f"nerdctl run --rm {name} | grep Hello")
  '';
}
