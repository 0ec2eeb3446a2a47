# The package set with nix-snapshotter from a checkout's bundle in place of its package, which takes longer to build.
{
  system,
  bundle ? "/opt/nix-snapshotter/dist",
}:
import ./. {
  inherit system;
  overlays = [
    (
      final: _:
      let
        program = name: ''
          makeWrapper /usr/local/bin/node $out/bin/${name} --add-flags ${bundle}/${name}.mjs
        '';
        tool = final.buildPackages.runCommand "nix-snapshotter" { } (
          program "nix-snapshotter" + program "nix2container"
        );
      in
      {
        nix-snapshotter =
          tool
          // import ../../modules/images {
            inherit (final)
              lib
              closureInfo
              fakeroot
              runCommand
              symlinkJoin
              writeText
              ;
            inherit (final.buildPackages) writeShellScriptBin;
            inherit (final.stdenv) hostPlatform;
            nix-snapshotter = tool;
          };
      }
    )
  ];
}
