# Resources in plain Nix. An image with resolvedByNix is in no registry: its reference is a store path, and whatever refers
# to the resources refers to the image. `nix build` of the manifest, `nix copy` of the same to a cache of the nodes and
# `kubectl apply` deploy it.
{ pkgs }:
let
  redis = pkgs.nix-snapshotter.buildImage {
    name = "redis";
    resolvedByNix = true;
    config.Entrypoint = [ "${pkgs.redis}/bin/redis-server" ];
  };
in
{
  redisPod = {
    apiVersion = "v1";
    kind = "Pod";
    metadata = {
      name = "redis";
      labels.name = "redis";
    };
    spec.containers = [
      {
        inherit (redis) name image;
        args = [
          "--protected-mode"
          "no"
        ];
        ports = [
          {
            name = "client";
            containerPort = 6379;
          }
        ];
      }
    ];
  };

  redisService = {
    apiVersion = "v1";
    kind = "Service";
    metadata.name = "redis-service";
    spec = {
      type = "LoadBalancer";
      selector.name = "redis";
      ports = [
        {
          name = "client";
          port = 30000;
          targetPort = 6379;
        }
      ];
    };
  };
}
