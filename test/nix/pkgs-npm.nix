# Node and packages of npm. Modules are taken from the checkout's node_modules in place of the registry: exactly those
# that the lock names, of the same versions.
{ lib, pkgs, ... }:
let
  checkout = "/opt/nix-snapshotter";
in
{
  nodejs_24 =
    pkgs.runCommand "nodejs-24" { meta.mainProgram = "node"; }
      "mkdir -p $out/bin; ln -s /usr/local/bin/node $out/bin/node";

  importNpmLock =
    let
      importNpmLock =
        {
          npmRoot ? null,
          package ? lib.importJSON (npmRoot + "/package.json"),
          packageLock ? lib.importJSON (npmRoot + "/package-lock.json"),
          pname ? package.name or "unknown",
          version ? package.version or "0.0.0",
        }:
        let
          checked =
            path: module:
            if path == "" then
              null
            else if !(module ? resolved && module ? integrity) then
              throw "importNpmLock: ${path} cannot be fetched: the lock has no address or no hash of it"
            else if builtins.match "https://.*[.]tgz" module.resolved == null then
              throw "importNpmLock: ${path}: ${module.resolved} is no archive"
            else
              module.version;
          direct = lib.attrNames (package.dependencies or { } // package.devDependencies or { });
          missing = lib.filter (name: !(packageLock.packages ? "node_modules/${name}")) direct;
        in
        lib.throwIf (missing != [ ]) "importNpmLock: not in the lock: ${lib.concatStringsSep ", " missing}" (
          pkgs.runCommand "${pname}-${version}-sources" {
            modules = builtins.toJSON (builtins.mapAttrs checked packageLock.packages);
            passAsFile = [ "modules" ];
          } ''mkdir $out; cp "$modulesPath" $out/modules.json''
        );
    in
    {
      __functor = _: importNpmLock;
      npmConfigHook = "npmConfigHook";
    };

  buildNpmPackage =
    {
      pname,
      version,
      src,
      nodejs,
      npmDeps,
      npmConfigHook,
      npmFlags ? [ ],
      npmBuildScript ? "build",
      nativeBuildInputs ? [ ],
      dontNpmInstall ? false,
      installPhase ? throw "buildNpmPackage: npm's own way of installing is not known here",
      doInstallCheck ? false,
      installCheckPhase ? "",
      passthru ? { },
      meta ? { },
    }:
    assert dontNpmInstall && npmConfigHook == "npmConfigHook" && lib.elem "--ignore-scripts" npmFlags;
    pkgs.runCommand "${pname}-${version}"
      {
        nativeBuildInputs = nativeBuildInputs ++ [ nodejs ];
        inherit passthru;
        meta = {
          platforms = [ "x86_64-linux" ];
        }
        // meta;
      }
      ''
        cp -r --no-preserve=mode ${src} source
        cd source
        node ${./npm-install.mjs} ${npmDeps}/modules.json ${checkout}
        eval "$(node -p 'require("./package.json").scripts[${builtins.toJSON npmBuildScript}]')"
        ${installPhase}
        ${lib.optionalString doInstallCheck installCheckPhase}
      '';
}
