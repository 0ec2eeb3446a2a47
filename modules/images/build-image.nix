# buildImage: an archive of an image whose Nix layer names store paths instead of carrying them.
#
# The result has, beside what every derivation has:
#   image              the reference for a pod: "<name>:<tag>", or "nix:0/nix/store/…" with resolvedByNix
#   imageName, imageTag (and name, tag, as the Go version calls them)
#   copyToRegistry     { imageName ?, imageTag ?, plainHTTP ? } → a script
#   copyToContainerd   { address ?, namespace ? } → a script
#   closureInfo        what the Nix layer's annotation names; copy it, or the image, to a cache of the nodes
{
  lib,
  closureInfo,
  copies,
  fakeRoot,
  hostPlatform,
  nix2container,
  runCommand,
  symlinkJoin,
  writeText,
  writeTextFile,
}:
{
  # Name of the image, without a tag. With resolvedByNix it only names the store path.
  name,
  tag ? "latest",
  # The image is not pushed anywhere: nodes resolve "nix:0/nix/store/…" by themselves.
  resolvedByNix ? false,
  # Image below this one: one of these functions', of dockerTools (buildImage, buildLayeredImage, pullImage),
  # of nix2container, or any OCI or docker archive or OCI layout.
  fromImage ? null,
  # Packages, the content of which is linked at /. Two that have the same file are an error.
  copyToRoot ? [ ],
  # The same as dockerTools has it: of two files the first one is taken.
  contents ? [ ],
  # The config of the OCI image specification: Entrypoint, Cmd, Env, User, … with or without the upper case.
  config ? { },
  # Further store paths that containers shall have.
  storePaths ? [ ],
  # The layers carry the store paths, too, for clients that do not know Nix.
  layered ? false,
  # Owners and modes of files, as nlewo's nix2container takes them:
  # [ { path = pkgs.hello; regex = ".*/bin/.*"; mode = "0755"; uid = 1000; gid = 1000; } ]
  perms ? [ ],
  # Shell commands that run as fake root in the root of a layer on top, where copyToRoot's links are already.
  fakeRootCommands ? "",
  # As "linux/arm64"; that of the package set otherwise.
  platform ? hostPlatform,
  # Of the layers that are added: "gzip", "zstd" or "none".
  compression ? "gzip",
}:
let
  baseName = baseNameOf name;

  # It is in the closure, for what it refers to. A directory, because the Go version's snapshotter on containerd 2.3 takes the
  # last path of a closure for one.
  configuration = writeTextFile {
    name = "config-${baseName}";
    destination = "/config.json";
    text = builtins.toJSON config;
  };

  trees =
    lib.optionals (copyToRoot != null) (lib.toList copyToRoot)
    ++ lib.optional (contents != null && lib.toList contents != [ ]) (symlinkJoin {
      name = "root-${baseName}";
      paths = lib.toList contents;
    });

  fakeRootLayer = fakeRoot {
    name = baseName;
    commands = fakeRootCommands;
    copyToRoot = trees;
  };

  closure = closureInfo {
    rootPaths = [
      configuration
    ]
    ++ trees
    ++ storePaths
    ++ lib.optional (fakeRootCommands != "") fakeRootLayer.references;
  };

  reference = if resolvedByNix then "nix:0${image}" else "${lib.toLower name}:${tag}";

  flags =
    [
      "--config"
      "${configuration}/config.json"
      "--closure"
      "${closure}/store-paths"
      "--platform"
      platform
      "--compression"
      compression
    ]
    ++ lib.optionals (trees != [ ]) [
      "--copy-to-root"
      (writeText "copy-to-root-${baseName}.json" (builtins.toJSON trees))
    ]
    # Without a name the image is "nix:0" with the path of the archive, which is known only while it is built.
    ++ lib.optionals (!resolvedByNix) [
      "--ref"
      reference
    ]
    ++ lib.optionals (fromImage != null) [
      "--from-image"
      "${fromImage}"
    ]
    ++ lib.optional layered "--layered"
    ++ lib.optionals (perms != [ ]) [
      "--perms"
      (writeText "perms-${baseName}.json" (builtins.toJSON perms))
    ]
    ++ lib.optionals (fakeRootCommands != "") [
      "--fake-root"
      fakeRootLayer
    ];

  volumes = builtins.attrNames (config.Volumes or config.volumes or { });

  image =
    runCommand "nix-image-${baseName}.tar"
      {
        passthru = {
          inherit name tag;
          imageName = lib.toLower name;
          imageTag = tag;
          image = reference;
          closureInfo = closure;
          copyToRegistry = copies.copyToRegistry image;
          copyToContainerd = copies.copyToContainerd image;
        };
      }
      ''
        ${nix2container} build ${lib.escapeShellArgs flags} $out
      '';
in
lib.warnIf (volumes != [ ]) (
  "buildImage ${name}: volumes are declared (${lib.concatStringsSep ", " volumes}): Kubernetes cannot start such an image "
  + "on nodes that mount store paths one by one (view \"binds\"); leave them out, or set "
  + "ignore_image_defined_volumes in containerd"
) image
