# gVisor's runsc on a Nix image, for root and for a user.
{ pkgs, ... }:
let
  redis = pkgs.nix-snapshotter.buildImage {
    name = "example.org/redis";
    copyToRoot = [ pkgs.util-linux ];
    config = {
      Entrypoint = [ "${pkgs.redis}/bin/redis-server" ];
      Cmd = [
        "--protected-mode"
        "no"
      ];
    };
  };
  common = {
    environment.systemPackages = [
      pkgs.nerdctl
      pkgs.redis
    ];
  };
in
{
  name = "nix-snapshotter-gvisor";

  nodes = {
    rootful = {
      imports = [ common ];
      virtualisation.containerd = {
        enable = true;
        nixSnapshotterIntegration = true;
        gVisorIntegration = true;
      };
      services.nix-snapshotter.enable = true;
      services.preload-containerd = {
        enable = true;
        targets = [ { archives = [ redis ]; } ];
      };
    };

    rootless = {
      imports = [ common ];
      virtualisation.containerd.rootless = {
        enable = true;
        nixSnapshotterIntegration = true;
        gVisorIntegration = true;
      };
      services.nix-snapshotter.rootless.enable = true;
      services.preload-containerd.rootless = {
        enable = true;
        targets = [ { archives = [ redis ]; } ];
      };
      users.users.alice = {
        uid = 1000;
        isNormalUser = true;
        linger = true;
      };
    };
  };

  testScript = ''
    def check(machine, run):
        run("nerdctl run --detach --name redis --runtime runsc --publish 30000:6379 --cap-add syslog example.org/redis")
        assert "Starting gVisor" in run("nerdctl exec redis dmesg")
        machine.wait_until_succeeds("redis-cli -p 30000 ping | grep PONG")

    # As a session of logind has it, which su does not start.
    def as_alice(command):
        return rootless.succeed(f"XDG_RUNTIME_DIR=/run/user/1000 su alice --command '. /etc/set-environment; {command}'")

    start_all()
    rootful.wait_for_unit("preload-containerd.service")
    check(rootful, rootful.succeed)
    rootless.wait_until_succeeds("systemctl --user --machine=alice@ is-active preload-containerd.service")
    check(rootless, as_alice)
  '';
}
