# Resources with easykubenix (github:Lillecarl/easykubenix): manifestYAMLFile of the result is the manifest.
#
# image: of buildImage, with resolvedByNix or pushed
{
  pkgs,
  easykubenix,
  image,
}:
easykubenix {
  inherit pkgs;
  modules = [
    {
      kubernetes.objects.default.Pod.redis.spec.containers = [
        {
          name = "redis";
          inherit (image) image;
        }
      ];
    }
  ];
}
