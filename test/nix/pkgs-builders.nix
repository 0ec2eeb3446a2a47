# Derivations, and what nixpkgs calls trivial builders.
{
  lib,
  pkgs,
  platforms,
}:
let
  # A derivation with a shell text as its builder; `attrs` as runCommand has them.
  derive =
    name: attrs: buildCommand:
    let
      meta = attrs.meta or { };
      passthru = attrs.passthru or { };
      drv = derivation (
        removeAttrs attrs [
          "meta"
          "nativeBuildInputs"
          "passthru"
        ]
        // {
          inherit name buildCommand;
          inherit (platforms.buildPlatform) system;
          builder = "/bin/bash";
          args = [ ./pkgs-setup.sh ];
          passAsFile = [ "buildCommand" ] ++ (attrs.passAsFile or [ ]);
          PATH = lib.concatStringsSep ":" (
            map (input: "${lib.getBin input}/bin") (attrs.nativeBuildInputs or [ ])
            ++ [ "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
          );
        }
      );
    in
    drv // passthru // { inherit meta passthru; };
in
{
  stdenv = platforms;

  runCommand = derive;

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      meta ? { },
    }:
    derive name
      {
        inherit text meta;
        passAsFile = [ "text" ];
      }
      ''
        target=$out${lib.escapeShellArg destination}
        mkdir -p "$(dirname "$target")"
        mv "$textPath" "$target"
        ${lib.optionalString executable ''chmod +x "$target"''}
      '';
  writeText = name: text: pkgs.writeTextFile { inherit name text; };
  writeTextDir =
    path: text:
    pkgs.writeTextFile {
      inherit text;
      name = baseNameOf path;
      destination = "/${path}";
    };
  writeScript =
    name: text:
    pkgs.writeTextFile {
      inherit name text;
      executable = true;
    };
  writeShellScriptBin =
    name: text:
    pkgs.writeTextFile {
      inherit name;
      text = "#!${pkgs.runtimeShell}\n${text}";
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };

  # Of two packages that have a file the first one's is taken.
  symlinkJoin =
    { name, paths }:
    derive name { } ''
      mkdir -p $out
      for path in ${lib.escapeShellArgs paths}; do linkTree "$path" $out first; done
    '';

  # Two packages that have a file are an error.
  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
    }:
    derive name { } ''
      mkdir -p $out
      for path in ${lib.escapeShellArgs paths}; do
        for part in ${lib.escapeShellArgs pathsToLink}; do
          [ ! -e "$path$part" ] || linkTree "$path$part" $out$part refuse
        done
      done
    '';

  closureInfo =
    { rootPaths }:
    derivation {
      name = "closure-info";
      inherit (platforms.buildPlatform) system;
      builder = "/usr/local/bin/node";
      args = [ ./closure-info.mjs ];
      __structuredAttrs = true;
      exportReferencesGraph.closure = rootPaths;
    };

  mkShell = { packages }: derive "nix-shell" { nativeBuildInputs = packages; } "touch $out";

  # A NixOS test as a derivation with its name. No machine is evaluated here.
  testers.runNixOSTest =
    {
      imports,
      defaults,
      node,
    }:
    let
      test = pkgs.callPackage (builtins.head imports) { };
    in
    derive "vm-test-run-${test.name}" { } ''
      echo "a test on virtual machines needs nixpkgs" >&2
      exit 1
    '';
}
