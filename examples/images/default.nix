# All example images, by the names that they have in the flake (image-NAME, push-NAME, load-NAME), and the Kubernetes
# resources that use some of them.
{ pkgs }:
let
  example = file: import file { inherit pkgs; };
in
{
  images = {
    hello = example ./hello.nix;
    redis = example ./redis.nix;
    redisWithShell = example ./redis-with-shell.nix;
    interleaved = example ./interleaved.nix;
    fromRegistry = example ./from-registry.nix;
    layered = example ./layered.nix;
    multiArch = example ./multi-arch.nix;
    system = example ./system.nix;
  };

  k8sResources = example ./kubernetes.nix;
}
