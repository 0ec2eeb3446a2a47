# A small system with an init of its own, which starts services and reaps what ends. To go down by itself when it is stopped,
# and not only after the grace period, it wants the capability SYS_BOOT. A whole NixOS goes the same way: see nixos.nix.
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
    # The wish to halt; at a SIGTERM this init would start the system again.
    StopSignal = "SIGUSR1";
  };
}
