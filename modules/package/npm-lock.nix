# What a build on one platform needs of package.json and package-lock.json, in the form that nixpkgs' importNpmLock
# takes. Needs nothing but Nix.
#
# package: the attributes of package.json
# packageLock: the attributes of package-lock.json (lockfileVersion 3)
# without: names of direct dependencies that the build does without, with all that only they need
# os, cpu, libc: as npm spells them
#
# The lock names no registry ("resolved" would be the one of whoever locked last), and importNpmLock fetches only what
# has a URL: each module gets the address that the npm registry gives it. Optional packages of other platforms are left
# out, because the lock has no hash of those that were never downloaded.
{ package
, packageLock
, without ? [ ]
, os ? "linux"
, cpu ? "x64"
, libc ? "glibc"
}:

let
  inherit (builtins)
    attrNames elem elemAt filter genericClosure hasAttr head intersectAttrs isString length listToAttrs map match
    removeAttrs split stringLength substring;

  modules = packageLock.packages;

  last = list: elemAt list (length list - 1);
  pick = names: set: intersectAttrs (listToAttrs (map (name: { inherit name; value = null; }) names)) set;

  # "node_modules/a/node_modules/@s/b" → "@s/b"
  nameOf = path: (modules.${path}).name or (last (filter isString (split "node_modules/" path)));

  # What npm's "os", "cpu" and "libc" lists allow: names, or names behind "!" that are refused.
  allows = list: value:
    let
      refused = filter (item: substring 0 1 item == "!") list;
      allowed = filter (item: substring 0 1 item != "!") list;
    in
    !(elem "!${value}" refused) && (allowed == [ ] || elem value allowed);

  # npm looks at libc on Linux only.
  fits = module:
    allows (module.os or [ ]) os
    && allows (module.cpu or [ ]) cpu
    && (os != "linux" || allows (module.libc or [ ]) libc);

  fetchable = module: module ? version && module ? integrity;

  # Where Node finds `name` for the module at `path`: its own node_modules, else that of each directory above.
  resolve = path: name:
    let
      here = (if path == "" then "" else "${path}/") + "node_modules/${name}";
      above = match "(.*)/node_modules/.*" "/${path}";
      parent = head above;
    in
    if hasAttr here modules then here
    else if path == "" || above == null then null
    else resolve (if parent == "" then "" else substring 1 (stringLength parent) parent) name;

  root = modules."" // {
    dependencies = removeAttrs (modules."".dependencies or { }) without;
    devDependencies = removeAttrs (modules."".devDependencies or { }) without;
  };
  moduleAt = path: if path == "" then root else modules.${path};

  needed = module: attrNames ((module.dependencies or { }) // (module.devDependencies or { }));
  optional = path:
    filter
      (name:
        let found = resolve path name; in
        found != null && fits modules.${found} && fetchable modules.${found})
      (attrNames ((moduleAt path).optionalDependencies or { }));
  peers = path:
    let module = moduleAt path; in
    filter
      (name: !((module.peerDependenciesMeta or { }).${name}.optional or false) && resolve path name != null)
      (attrNames (module.peerDependencies or { }));

  wanted = path:
    let
      # A module that is locked as optional may be named as needed, too.
      found = map
        (name:
          let at = resolve path name; in
          if at == null then throw "package-lock.json: ${nameOf path} needs ${name}, which is not in it" else at)
        (filter (name: !(hasAttr name ((moduleAt path).optionalDependencies or { }))) (needed (moduleAt path))
          ++ optional path
          ++ peers path);
    in
    map (key: { inherit key; }) found;

  kept = filter (path: path != "") (map (item: item.key) (genericClosure {
    startSet = [ { key = ""; } ];
    operator = item: wanted item.key;
  }));

  url = path:
    let
      name = nameOf path;
      file = last (filter isString (split "/" name));
    in
    "https://registry.npmjs.org/${name}/-/${file}-${modules.${path}.version}.tgz";

  located = path:
    let module = modules.${path}; in
    if !(fetchable module)
    then throw "package-lock.json: ${path} has no ${if module ? version then "integrity" else "version"}"
    else module // { resolved = url path; } // (
      if module ? optionalDependencies
      then { optionalDependencies = pick (optional path) module.optionalDependencies; }
      else { }
    );
in
{
  # package.json with the direct dependencies that are kept.
  package = package // {
    dependencies = removeAttrs (package.dependencies or { }) without;
    devDependencies = removeAttrs (package.devDependencies or { }) without;
  };

  packageLock = packageLock // {
    packages = { "" = root; } // listToAttrs (map (name: { inherit name; value = located name; }) kept);
  };
}
