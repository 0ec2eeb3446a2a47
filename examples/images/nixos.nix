# A whole NixOS as an image: systemd is the container's init. The container needs a writable cgroup of its own
# (nerdctl run --cgroupns=private --tmpfs /run --tmpfs /tmp …, privileged or with a user namespace).
{
  pkgs,
  # nixosSystem of nixpkgs' lib.
  nixosSystem,
}:
let
  system = nixosSystem {
    modules = [
      (
        { lib, ... }:
        {
          boot.isContainer = true;
          nixpkgs.pkgs = pkgs;
          networking.useDHCP = lib.mkForce false;
          services.getty.autologinUser = "root";
          system.stateVersion = "26.05";
        }
      )
    ];
  };
in
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/nixos";
  config = {
    Entrypoint = [ "${system.config.system.build.toplevel}/init" ];
    Env = [ "container=oci" ];
    StopSignal = "SIGRTMIN+3";
  };
}
