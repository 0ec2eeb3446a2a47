# What the machines to look around in have in common.
{ modulesPath, pkgs, ... }:
{
  imports = [
    "${modulesPath}/virtualisation/qemu-vm.nix"
    ./redis-spec.nix
  ];

  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];

  environment.systemPackages = [
    pkgs.cri-tools
    pkgs.kubectl
    pkgs.nerdctl
    pkgs.redis
  ];

  virtualisation = {
    memorySize = 4096;
    cores = 4;
    graphics = false;
    # Nothing is kept.
    diskImage = null;
  };

  # Root without a password, on the machine's own console only.
  users.users.root.initialHashedPassword = "";

  system.stateVersion = "26.05";
}
