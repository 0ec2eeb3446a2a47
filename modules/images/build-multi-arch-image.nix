# buildMultiArchImage: one OCI index of images for several platforms, from which each node takes its own.
#
# The images come from buildImage of several package sets:
#
#   images = map (set: set.nix-snapshotter.buildImage { name = "hello"; config.entrypoint = [ (lib.getExe set.hello) ]; })
#     [ pkgs pkgs.pkgsCross.aarch64-multiplatform ];
#
# The result has the attributes of an image, without closureInfo.
{
  lib,
  copies,
  nix2container,
  runCommand,
}:
{
  name,
  tag ? "latest",
  resolvedByNix ? false,
  # Two of one platform are an error.
  images,
}:
let
  reference = if resolvedByNix then "nix:0${image}" else "${lib.toLower name}:${tag}";

  image =
    runCommand "nix-image-${baseNameOf name}.tar"
      {
        passthru = {
          inherit name tag images;
          imageName = lib.toLower name;
          imageTag = tag;
          image = reference;
          copyToRegistry = copies.copyToRegistry image;
          copyToContainerd = copies.copyToContainerd image;
        };
      }
      ''
        ${nix2container} index ${
          lib.optionalString (!resolvedByNix) "--ref ${lib.escapeShellArg reference}"
        } --out $out ${lib.escapeShellArgs (map (image: "${image}") images)}
      '';
in
image
