# Programs. Those that tests run are made of Debian's (../fixtures/packages.nix); the others have a name and a version, and
# cannot be built.
{
  lib,
  pkgs,
  platforms,
}:
let
  # Where a test has written what ldd says of Debian's programs; only what is linked dynamically needs it.
  librariesFile = builtins.getEnv "STAND_IN_LIBRARIES";
  fixtures = import ../fixtures/packages.nix {
    inherit librariesFile;
    inherit (platforms.buildPlatform) system;
  };
  isCross = platforms.buildPlatform.system != platforms.hostPlatform.system;

  # A program of another platform is a name, too.
  foreign =
    name:
    pkgs.runCommand name { meta.mainProgram = name; } ''
      mkdir -p $out/bin
      echo 'a program for ${platforms.hostPlatform.system}' > $out/bin/${name}
    '';
  program =
    name: drv:
    if isCross then foreign name else drv // { meta.mainProgram = name; };

  applets =
    name: names:
    program name (
      pkgs.runCommand name { } ''
        mkdir -p $out/bin
        for applet in ${toString names}; do ln -s ${fixtures.busybox}/bin/busybox $out/bin/$applet; done
      ''
    );

  # What cannot be built says so.
  nameOnly =
    name:
    pkgs.runCommand "${name}-0" { meta.mainProgram = name; } ''
      echo "${name}: this package is a name only; see test/nix/pkgs-programs.nix" >&2
      exit 1
    '';
in
lib.genAttrs [
  "containerd"
  "cri-tools"
  "debootstrap"
  "go"
  "kubectl"
  "nerdctl"
  "nixfmt-tree"
  "runc"
] nameOnly
// {
  busybox = program "busybox" fixtures.busybox;
  redis = program "redis-server" fixtures.redis;

  hello = program "hello" (
    pkgs.runCommand "hello-2.12" { } ''
      mkdir -p $out/bin $out/share/hello
      echo 'Hello, world!' > $out/share/hello/greeting
      printf '#!%s/bin/sh\nexec %s/bin/cat %s\n' ${fixtures.busybox} ${fixtures.busybox} $out/share/hello/greeting \
        > $out/bin/hello
      chmod +x $out/bin/hello
    ''
  );

  bash = applets "bash" [
    "sh"
    "ash"
  ];
  bashInteractive = pkgs.bash;
  coreutils = applets "coreutils" [
    "cat"
    "chmod"
    "chown"
    "cp"
    "echo"
    "env"
    "id"
    "ls"
    "mkdir"
    "sleep"
    "stat"
    "touch"
    "uname"
  ];

  runtimeShell = "/bin/bash";

  # Programs of the node that builds.
  makeWrapper = pkgs.runCommand "make-wrapper" { } "mkdir -p $out/bin";
  gnutar = pkgs.runCommand "gnutar" { } "mkdir -p $out/bin; ln -s /usr/bin/tar $out/bin/tar";
  util-linux = pkgs.runCommand "util-linux" { } ''
    mkdir -p $out/bin
    ln -s /usr/bin/mount /usr/bin/umount $out/bin/
  '';

  # Builders are root here: what they say of owners is so.
  fakeroot = pkgs.writeShellScriptBin "fakeroot" ''
    [ "$1" = -- ] && shift
    exec "$@"
  '';
}
