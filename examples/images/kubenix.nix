# A module for kubenix (github:hall/kubenix):
#
#   (kubenix.evalModules.x86_64-linux {
#     module.imports = [ ./kubenix.nix ];
#     specialArgs = { inherit image; };
#   }).config.kubernetes.result
#
# image: of buildImage, with resolvedByNix or pushed
{ kubenix, image, ... }:
{
  imports = [ kubenix.modules.k8s ];

  kubernetes.resources.pods.redis.spec.containers.redis.image = image.image;
}
