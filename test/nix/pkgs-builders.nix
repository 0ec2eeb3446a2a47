# Derivations, and what nixpkgs calls trivial builders.
{
  lib,
  pkgs,
  platforms,
}:
let
  # A derivation with a shell text as its builder; `attrs` as stdenv.mkDerivation has them.
  derive =
    name: attrs: buildCommand:
    let
      inputs = (attrs.nativeBuildInputs or [ ]) ++ (attrs.buildInputs or [ ]);
      meta = attrs.meta or { };
      passthru = attrs.passthru or { };
      drv = derivation (
        removeAttrs attrs [
          "buildInputs"
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
            map (input: "${lib.getBin input}/bin") inputs
            ++ [ "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
          );
        }
      );
    in
    drv
    // passthru
    // {
      inherit meta passthru;
      overrideAttrs =
        change:
        let
          changed = if builtins.isFunction change then change attrs else change;
        in
        derive (changed.name or name) (attrs // removeAttrs changed [ "name" ]) buildCommand;
    };

  named = args: args.name or "${args.pname}-${args.version}";
in
{
  stdenv = platforms // {
    mkDerivation =
      args@{
        buildCommand,
        ...
      }:
      derive (named args) (removeAttrs args [
        "buildCommand"
        "name"
      ]) buildCommand;
  };

  runCommand = derive;
  runCommandLocal = derive;

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      passthru ? { },
      derivationArgs ? { },
    }:
    derive name
      (
        {
          inherit text meta passthru;
          passAsFile = [ "text" ];
        }
        // derivationArgs
      )
      ''
        target=$out${lib.escapeShellArg destination}
        mkdir -p "$(dirname "$target")"
        mv "$textPath" "$target"
        ${lib.optionalString executable ''chmod +x "$target"''}
        ${checkPhase}
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
  writeScriptBin =
    name: text:
    pkgs.writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
  writeShellScript = name: text: pkgs.writeScript name "#!${pkgs.runtimeShell}\n${text}";
  writeShellScriptBin = name: text: pkgs.writeScriptBin name "#!${pkgs.runtimeShell}\n${text}";
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      runtimeEnv ? { },
      meta ? { },
      excludeShellChecks ? [ ],
      bashOptions ? [
        "errexit"
        "nounset"
        "pipefail"
      ],
    }:
    pkgs.writeTextFile {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      meta = {
        mainProgram = name;
      }
      // meta;
      text =
        "#!${pkgs.runtimeShell}\n"
        + lib.concatStrings (map (option: "set -o ${option}\n") bashOptions)
        + lib.concatStrings (
          lib.mapAttrsToList (key: value: "export ${key}=${lib.escapeShellArg value}\n") runtimeEnv
        )
        + lib.optionalString (
          runtimeInputs != [ ]
        ) "export PATH=\"${lib.makeBinPath runtimeInputs}:$PATH\"\n"
        + "\n${text}";
    };

  # Of two packages that have a file the first one's is taken, as lndir does.
  symlinkJoin =
    {
      name,
      paths,
      postBuild ? "",
      meta ? { },
      passthru ? { },
    }:
    derive name { inherit meta passthru; } ''
      mkdir -p $out
      for path in ${lib.escapeShellArgs paths}; do
        linkTree "$path" $out first
      done
      ${postBuild}
    '';

  # Unlike symlinkJoin's, two packages with one file are an error.
  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
      ignoreCollisions ? false,
      extraOutputsToInstall ? [ ],
      postBuild ? "",
      meta ? { },
      passthru ? { },
    }:
    derive name { inherit meta passthru; } ''
      mkdir -p $out
      for path in ${lib.escapeShellArgs paths}; do
        for part in ${lib.escapeShellArgs pathsToLink}; do
          [ ! -e "$path$part" ] || linkTree "$path$part" $out$part ${
            if ignoreCollisions then "first" else "refuse"
          }
        done
      done
      ${postBuild}
    '';

  linkFarm =
    name: entries:
    derive name { } (
      "mkdir -p $out\n"
      + lib.concatStrings (
        map
          (entry: ''
            mkdir -p "$(dirname $out/${lib.escapeShellArg entry.name})"
            ln -s ${lib.escapeShellArg entry.path} $out/${lib.escapeShellArg entry.name}
          '')
          (
            if builtins.isAttrs entries then
              lib.mapAttrsToList (name: path: { inherit name path; }) entries
            else
              entries
          )
      )
    );

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

  mkShell =
    {
      packages ? [ ],
      shellHook ? "",
    }:
    derive "nix-shell" { nativeBuildInputs = packages; } "touch $out";

  # A NixOS test that evaluates to a derivation, but runs nowhere: no machine is evaluated.
  testers.runNixOSTest =
    {
      imports,
      defaults ? { },
      node ? { },
    }:
    let
      tests = map (test: pkgs.callPackage test { }) imports;
      test = lib.foldl' (all: one: all // one) { } tests;
      known = [
        "defaults"
        "extraPythonPackages"
        "globalTimeout"
        "interactive"
        "meta"
        "name"
        "node"
        "nodes"
        "skipLint"
        "skipTypeCheck"
        "testScript"
      ];
      unknown = lib.subtractLists known (lib.attrNames test);
    in
    lib.throwIf (unknown != [ ]) "runNixOSTest: no option of a test: ${lib.concatStringsSep ", " unknown}" (
      derive "vm-test-run-${test.name}" { } ''echo "a test on virtual machines needs nixpkgs" >&2; exit 1''
    );

  formats =
    let
      scalar = with lib.types; [
        bool
        int
        float
        str
        path
      ];
      compound = type: [
        (lib.types.attrsOf type)
        (lib.types.listOf type)
      ];
      # What writes a value, and the type of the values that it can write.
      format = name: type: {
        inherit type;
        generate =
          file: value:
          derive file
            {
              value = builtins.toJSON value;
              passAsFile = [ "value" ];
            }
            ''/usr/local/bin/node ${./convert.mjs} ${name} /opt/nix-snapshotter/node_modules "$valuePath" > $out'';
      };
      jsonType =
        lib.types.nullOr (lib.types.oneOf (scalar ++ compound jsonType)) // { description = "JSON value"; };
      tomlType = lib.types.oneOf (scalar ++ compound tomlType) // { description = "TOML value"; };
    in
    {
      json = { }: format "json" jsonType;
      yaml = { }: format "yaml" jsonType;
      toml = { }: format "toml" tomlType;
    };
}
