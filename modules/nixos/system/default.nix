# The system's daemon, its containerd and its k3s, which know of each other.
{
  imports = [
    ./assertions.nix
    ./containerd.nix
    ./k3s.nix
    ./nix-snapshotter.nix
    ./preload-containerd.nix
  ];
}
