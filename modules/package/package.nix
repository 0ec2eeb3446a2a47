# The two programs, for nixpkgs' callPackage. The image functions (buildImage and others) are attributes of the package.
{
  lib,
  stdenv,
  buildNpmPackage,
  buildPackages,
  callPackage,
  gnutar,
  importNpmLock,
  makeWrapper,
  nodejs_24,
  util-linux,
}:
let
  manifest = lib.importJSON ../../package.json;

  # As npm and LevelDB's addons spell it.
  cpuOf =
    platform:
    {
      x86_64 = "x64";
      aarch64 = "arm64";
    }
    .${platform.parsed.cpu.name}
      or (throw "nix-snapshotter: there is no LevelDB addon for ${platform.parsed.cpu.name}, only for x86_64 and aarch64");

  locked = import ./npm-lock.nix {
    package = manifest;
    packageLock = lib.importJSON ../../package-lock.json;
    cpu = cpuOf stdenv.buildPlatform;
    # What only tests, checks and documentation need. `node` is a Node that its install script downloads.
    without = [
      "@biomejs/biome"
      "@types/node"
      "@types/tar-stream"
      "@types/yargs"
      "fast-check"
      "github-slugger"
      "knip"
      "marked"
      "node"
      "oxlint"
      "oxlint-tsgolint"
      "typescript"
    ];
  };

  sources = [
    "build.ts"
    "cmd"
    "modules/release"
    "package-lock.json"
    "package.json"
    "proto"
    "src"
  ];
  # One of them, what is in it, or what it is in.
  isSource =
    path:
    let
      relative = lib.removePrefix "${toString ../..}/" path;
    in
    lib.any (source: lib.hasPrefix "${source}/" "${relative}/" || lib.hasPrefix "${relative}/" source) sources;

  # The image functions run it while they build.
  tool =
    if stdenv.buildPlatform.canExecute stdenv.hostPlatform then
      nix-snapshotter
    else
      buildPackages.callPackage ./package.nix { };

  nix-snapshotter = buildNpmPackage {
    pname = manifest.name;
    inherit (manifest) version;

    src = builtins.path {
      name = "nix-snapshotter-source";
      path = ../..;
      filter = path: _: isSource path;
    };

    nodejs = nodejs_24;
    npmDeps = importNpmLock {
      pname = manifest.name;
      inherit (manifest) version;
      inherit (locked) package packageLock;
    };
    npmConfigHook = importNpmLock.npmConfigHook;
    npmFlags = [ "--ignore-scripts" ];

    nativeBuildInputs = [ makeWrapper ];

    # The bundle has all that it needs: npm's own way of installing would take the dependencies along.
    dontNpmInstall = true;
    installPhase = ''
      runHook preInstall
      mkdir -p $out/lib $out/bin
      cp -r dist $out/lib/nix-snapshotter
      for addons in $out/lib/nix-snapshotter/chunks/prebuilds/*; do
        [ "''${addons##*/}" = linux-${cpuOf stdenv.hostPlatform} ] || rm -r "$addons"
      done
      rm -f $out/lib/nix-snapshotter/chunks/prebuilds/*/*.musl.node
      # What the snapshotter calls beside Nix, which is the caller's.
      makeWrapper ${lib.getExe nodejs_24} $out/bin/nix-snapshotter \
        --add-flags $out/lib/nix-snapshotter/nix-snapshotter.mjs \
        --suffix PATH : ${
          lib.makeBinPath [
            gnutar
            util-linux
          ]
        }
      makeWrapper ${lib.getExe nodejs_24} $out/bin/nix2container \
        --add-flags $out/lib/nix-snapshotter/nix2container.mjs
      for program in nix-snapshotter nix2container; do
        completion=modules/release/completion/$program
        install -D -m 644 $completion.bash $out/share/bash-completion/completions/$program
        install -D -m 644 $completion.zsh $out/share/zsh/site-functions/_$program
        install -D -m 644 $completion.fish $out/share/fish/vendor_completions.d/$program.fish
      done
      for page in modules/release/man/*; do
        install -D -m 644 -t $out/share/man/man''${page##*.} $page
      done
      runHook postInstall
    '';

    doInstallCheck = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
    installCheckPhase = ''
      runHook preInstallCheck
      $out/bin/nix-snapshotter --version
      $out/bin/nix2container --version
      for addon in $out/lib/nix-snapshotter/chunks/prebuilds/*/*.node; do
        ${lib.getExe nodejs_24} -e 'process.dlopen({ exports: {} }, process.argv[1])' "$addon"
      done
      runHook postInstallCheck
    '';

    passthru = removeAttrs (callPackage ../images { nix-snapshotter = tool; }) [
      "override"
      "overrideDerivation"
    ];

    meta = {
      inherit (manifest) description;
      license = lib.licenses.mit;
      mainProgram = "nix-snapshotter";
      platforms = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    };
  };
in
nix-snapshotter
