# The package set with nix-snapshotter from a checkout's bundle in place of its package, which takes longer to build.
{ system }:
import ./. {
  inherit system;
  overlays = [
    (
      final: _:
      let
        program = name: ''
          makeWrapper /usr/local/bin/node $out/bin/${name} --add-flags /opt/nix-snapshotter/dist/${name}.mjs
        '';
        tool = final.buildPackages.runCommand "nix-snapshotter" { } (
          program "nix-snapshotter" + program "nix2container"
        );
      in
      {
        nix-snapshotter = tool // final.callPackage ../../modules/images { nix-snapshotter = tool; };
      }
    )
  ];
}
