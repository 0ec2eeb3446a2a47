# containerd of a user, with and without root's help for its mounts.
{ lib, pkgs, ... }:
let
  user = {
    imports = [
      {
        virtualisation.containerd.rootless = {
          enable = true;
          nixSnapshotterIntegration = true;
        };
        services.nix-snapshotter.rootless.enable = true;
        services.preload-containerd.rootless = {
          enable = true;
          targets = [
            {
              archives = [
                (pkgs.nix-snapshotter.buildImage {
                  name = "example.org/hello";
                  config.Entrypoint = [ (lib.getExe pkgs.hello) ];
                })
              ];
            }
          ];
        };
        environment.systemPackages = [
          pkgs.nerdctl
          pkgs.hello
        ];
        users.users.alice = {
          uid = 1000;
          isNormalUser = true;
          linger = true;
        };
      }
    ];
  };
in
{
  name = "nix-snapshotter-rootless";

  nodes = {
    alone = user;
    helped = {
      imports = [ user ];
      services.nix-snapshotter.rootless.viewHelper.users = [ 1000 ];
    };
  };

  testScript = ''
    # As a session of logind has it, which su does not start.
    def run(machine, command):
        return machine.succeed(f"XDG_RUNTIME_DIR=/run/user/1000 su alice --command '. /etc/set-environment; {command}'")

    start_all()
    for machine in [alone, helped]:
        for unit in ["containerd", "nix-snapshotter", "preload-containerd"]:
            machine.wait_until_succeeds(f"systemctl --user --machine=alice@ is-active {unit}.service")
        with subtest(f"{machine.name}: an image runs"):
            assert "Hello" in run(machine, "nerdctl run --rm example.org/hello")
        with subtest(f"{machine.name}: a store path runs as it is"):
            assert "Hello" in run(machine, "nerdctl run --rm nix:0${pkgs.hello}")
  '';
}
