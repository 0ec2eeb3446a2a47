# The examples, with the stand-in for nixpkgs and for what else they need.
{
  system,
  # Of the ordinary image in the test's registry: its digest, and the hash of its archive.
  digest ? "",
  hash ? "",
}:
let
  pkgs = import ./bundled.nix { inherit system; };
  inherit (pkgs) lib;
  examples = import ../../examples/images { inherit pkgs; };
  image = examples.images.redis;
in
examples.images
// {
  inherit (examples) k8sResources;
  redisPackage = pkgs.redis;
  # What is built and copied for a deployment brings the image.
  manifest = pkgs.writeText "redis.json" (builtins.toJSON examples.k8sResources.redisPod);

  fromRegistry = import ../../examples/images/from-registry.nix {
    inherit pkgs;
    base = pkgs.dockerTools.pullImage {
      imageName = "127.0.0.1:5000/base";
      imageDigest = digest;
      inherit hash;
      finalImageName = "base";
    };
  };

  nixos = import ../../examples/images/nixos.nix {
    inherit pkgs;
    nixosSystem = { modules }: { config.system.build.toplevel = pkgs.hello; };
  };

  kubenix =
    (lib.evalModules {
      specialArgs = {
        inherit image;
        kubenix.modules.k8s.options.kubernetes.resources = lib.mkOption {
          type = lib.types.attrsOf lib.types.anything;
        };
      };
      modules = [ ../../examples/images/kubenix.nix ];
    }).config.kubernetes.resources.pods.redis.spec.containers.redis;

  easykubenix =
    let
      evaluated = import ../../examples/images/easykubenix.nix {
        inherit pkgs image;
        easykubenix = { pkgs, modules }: lib.head modules;
      };
    in
    lib.head evaluated.kubernetes.objects.default.Pod.redis.spec.containers;
}
