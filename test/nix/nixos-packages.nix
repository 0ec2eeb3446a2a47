/*
  A package set to evaluate modules with: derivations that nobody builds, and the functions that the modules call, with nixpkgs'
  names and arguments. What a function would write can be read from its result (`text`, `value`).
*/
{
  lib,
  containerdVersion ? "2.3.7",
}:
let
  inherit (lib) optionalAttrs types;
  system = "x86_64-linux";

  evaluated =
    name: attrs:
    builtins.derivation {
      inherit name system;
      builder = "/nobody-builds-this";
      # Names what the result would refer to, so that paths differ as they would.
      content = builtins.toJSON attrs;
    }
    // attrs;
  package =
    pname: version:
    evaluated "${pname}-${version}" {
      inherit pname version;
      meta.mainProgram = pname;
    };
  names = lib.genAttrs [
    "bash"
    "cni-plugin-flannel"
    "cni-plugins"
    "coreutils"
    "cri-tools"
    "gvisor"
    "hello"
    "iproute2"
    "iptables"
    "k3s"
    "kmod"
    "kubectl"
    "nerdctl"
    "nix"
    "nix-snapshotter"
    "procps"
    "redis"
    "rootlesskit"
    "runc"
    "slirp4netns"
    "systemd"
    "util-linux"
  ] (name: package name "1.0");

  tree =
    let
      value =
        types.nullOr (
          types.oneOf [
            types.bool
            types.int
            types.float
            types.str
            types.path
            (types.attrsOf value)
            (types.listOf value)
          ]
        )
        // {
          description = "TOML value";
        };
    in
    value;
in
names
// {
  inherit lib;
  containerd = package "containerd" containerdVersion;
  kubernetes = package "kubernetes" "1.0" // {
    pause = package "kubernetes-pause" "1.0";
  };
  stdenv.hostPlatform = {
    inherit system;
    isLinux = true;
  };
  runtimeShell = "${names.bash}/bin/bash";

  writeText = name: text: evaluated name { inherit text; };
  writeShellScript = name: text: evaluated name { inherit text; };
  writeShellScriptBin =
    name: text:
    evaluated name {
      inherit text;
      meta.mainProgram = name;
    };
  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
      ignoreCollisions ? false,
    }:
    evaluated name { paths = map toString paths; };
  runCommand =
    name: env: buildCommand:
    evaluated name (
      { inherit buildCommand; }
      // optionalAttrs (env ? nativeBuildInputs) { inputs = map toString env.nativeBuildInputs; }
    );
  formats = {
    toml = { }: {
      type = tree;
      generate = name: value: evaluated name { inherit value; };
    };
  };
  nix-snapshotter = names.nix-snapshotter // {
    # As the real one: an archive that can be loaded.
    buildImage =
      {
        name,
        tag ? "latest",
        config ? { },
        copyToRoot ? null,
        fromImage ? null,
        resolvedByNix ? false,
      }:
      evaluated "${lib.replaceStrings [ "/" ":" ] [ "-" "-" ] name}.tar" { image = "${name}:${tag}"; };
    buildMultiArchImage =
      {
        name,
        images,
        tag ? "latest",
        resolvedByNix ? false,
      }:
      evaluated "${lib.replaceStrings [ "/" ":" ] [ "-" "-" ] name}.tar" { image = "${name}:${tag}"; };
  };
  dockerTools.buildImage =
    {
      name,
      tag ? null,
      config ? { },
      copyToRoot ? null,
    }:
    evaluated "docker-${lib.replaceStrings [ "/" ":" ] [ "-" "-" ] name}.tar" { image = name; };
}
