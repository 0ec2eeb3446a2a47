# containerd of the system: images of Nix's, of dockerTools', and a store path.
{ pkgs, ... }:
let
  redis = {
    config = {
      Entrypoint = [ "${pkgs.redis}/bin/redis-server" ];
      Cmd = [
        "--protected-mode"
        "no"
      ];
    };
  };
in
{
  name = "nix-snapshotter";

  nodes.machine = {
    virtualisation.containerd = {
      enable = true;
      nixSnapshotterIntegration = true;
    };
    services.nix-snapshotter.enable = true;
    services.preload-containerd = {
      enable = true;
      targets = [
        {
          archives = [
            (pkgs.nix-snapshotter.buildImage (redis // { name = "example.org/nix/redis"; }))
            (pkgs.dockerTools.buildImage (
              redis
              // {
                name = "example.org/docker/redis";
                tag = "latest";
              }
            ))
          ];
        }
      ];
    };
    environment.systemPackages = [
      pkgs.nerdctl
      pkgs.redis
      pkgs.hello
    ];
  };

  testScript = ''
    machine.wait_for_unit("nix-snapshotter.service")
    machine.wait_for_unit("containerd.service")
    machine.wait_for_unit("preload-containerd.service")

    for port, image in [(30000, "nix"), (30001, "docker")]:
        with subtest(f"An image of {image} runs"):
            machine.succeed(f"nerdctl run --detach --publish {port}:6379 example.org/{image}/redis")
            machine.wait_until_succeeds(f"redis-cli -p {port} ping | grep PONG")

    with subtest("A store path runs as it is"):
        machine.succeed("nerdctl run --rm nix:0${pkgs.hello} | grep Hello")

    with subtest("Nothing hinders the daemon"):
        machine.succeed("nix-snapshotter status")

    with subtest("What runs does not need the daemon"):
        machine.succeed("systemctl restart nix-snapshotter.service")
        machine.succeed("redis-cli -p 30000 ping | grep PONG")
  '';
}
