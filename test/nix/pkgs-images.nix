# dockerTools: ordinary images, to be base images. What nixpkgs' own makes of the same arguments has the same form.
{
  lib,
  pkgs,
  platforms,
}:
let
  ociArch =
    {
      x86_64 = "amd64";
      aarch64 = "arm64";
    }
    .${platforms.hostPlatform.parsed.cpu.name};
in
{
  dockerTools = {
    # A compressed docker archive of one layer: the content of the packages at /, and the closure.
    buildImage =
      {
        name,
        tag ? "latest",
        copyToRoot ? null,
        config ? { },
        architecture ? ociArch,
        created ? "1970-01-01T00:00:01Z",
      }:
      let
        contents = lib.toList (if copyToRoot == null then [ ] else copyToRoot);
        configFile = pkgs.writeText "config.json" (builtins.toJSON config);
        closure = pkgs.closureInfo { rootPaths = contents ++ [ configFile ]; };
      in
      pkgs.runCommand "docker-image-${baseNameOf name}.tar.gz"
        {
          passthru = {
            imageName = lib.toLower name;
            imageTag = tag;
          };
        }
        ''
          mkdir layer image
          for path in ${lib.escapeShellArgs contents}; do cp -r --no-preserve=mode,ownership "$path/." layer/; done
          tar --create --file layer.tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner \
            -C layer . -C / --files-from <(sed 's|^/||' ${closure}/store-paths)
          diffId=$(sha256sum layer.tar | cut -d' ' -f1)
          mkdir image/$diffId
          mv layer.tar image/$diffId/layer.tar
          printf '{"architecture":"${architecture}","os":"linux","created":"${created}","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
            "$(cat ${configFile})" $diffId > image/config.json
          id=$(sha256sum image/config.json | cut -d' ' -f1)
          mv image/config.json image/$id.json
          printf '[{"Config":"%s.json","RepoTags":["${lib.toLower name}:${tag}"],"Layers":["%s/layer.tar"]}]' $id $diffId \
            > image/manifest.json
          tar --create --gzip --file $out --sort=name --mtime=@1 --owner=0 --group=0 -C image .
        '';

    # By skopeo of the node, whose registry is on its loopback.
    pullImage =
      {
        imageName,
        imageDigest,
        hash,
        finalImageName ? imageName,
        finalImageTag ? "latest",
        os ? "linux",
        arch ? ociArch,
      }:
      pkgs.runCommand "docker-image-${baseNameOf finalImageName}-${finalImageTag}.tar"
        {
          outputHashMode = "flat";
          outputHash = hash;
          LD_LIBRARY_PATH = "/opt/registry-tools/lib";
        }
        ''
          /opt/registry-tools/bin/skopeo --override-os ${os} --override-arch ${arch} copy --src-tls-verify=false \
            docker://${imageName}@${imageDigest} docker-archive://$out:${finalImageName}:${finalImageTag}
        '';
  };
}
