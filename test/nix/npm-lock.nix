# What the package's lock function makes of package-lock.json, for a test.
{
  root,
  without ? [ ],
  os ? "linux",
  cpu ? "x64",
  libc ? "glibc",
}:
import ../../modules/package/npm-lock.nix {
  package = builtins.fromJSON (builtins.readFile (root + "/package.json"));
  packageLock = builtins.fromJSON (builtins.readFile (root + "/package-lock.json"));
  inherit
    without
    os
    cpu
    libc
    ;
}
