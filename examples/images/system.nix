# A small system with an init of its own, which starts services and reaps what ends. A whole NixOS goes the same way:
# see nixos.nix.
{ pkgs }:
let
  service = pkgs.writeScript "tick" ''
    #!${pkgs.busybox}/bin/sh
    while :; do
      echo "$(${pkgs.busybox}/bin/date) tick" >> /var/log/tick
      ${pkgs.busybox}/bin/sleep 1
    done
  '';
  inittab = pkgs.writeTextDir "etc/inittab" ''
    ::sysinit:${pkgs.busybox}/bin/mkdir -p /var/log /tmp
    ::respawn:${service}
    ::shutdown:${pkgs.busybox}/bin/echo "going down"
    ::ctrlaltdel:/bin/poweroff
  '';
in
pkgs.nix-snapshotter.buildImage {
  name = "localhost:5000/system";
  copyToRoot = [
    pkgs.busybox
    inittab
  ];
  config = {
    Entrypoint = [ "/bin/init" ];
    # What busybox's init takes as the wish to halt; containerd would send SIGTERM.
    StopSignal = "SIGUSR1";
  };
}
