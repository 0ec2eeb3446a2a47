# Images that the tests build and run; each attribute is a derivation, or what shall not evaluate or not build.
{ system }:
let
  pkgs = import ./bundled.nix { inherit system; };
  inherit (pkgs) lib;
  inherit (pkgs.nix-snapshotter) buildImage buildMultiArchImage;

  registry = "127.0.0.1:5000";
  hello = buildImage {
    name = "${registry}/Team/hello";
    tag = "v1";
    config.entrypoint = [ (lib.getExe pkgs.hello) ];
  };
  greeting = text: pkgs.writeTextDir "etc/greeting" text;
in
rec {
  inherit hello;
  helloToContainerd = hello.copyToContainerd {
    address = "$CONTAINERD_DIRECTORY/containerd.sock";
    namespace = "other";
  };
  helloToRegistry = hello.copyToRegistry { };
  helloToOtherName = hello.copyToRegistry {
    imageName = "${registry}/other";
    imageTag = "v2";
    plainHTTP = true;
  };

  resolved = buildImage {
    name = "resolved";
    resolvedByNix = true;
    config.Entrypoint = [ (lib.getExe pkgs.hello) ];
  };

  # Owners and modes, by both ways of giving them.
  owners = buildImage {
    name = "owners";
    copyToRoot = [
      (greeting "linked")
      (pkgs.writeTextDir "home/app/profile" "umask 077")
    ];
    perms = [
      {
        path = pkgs.writeTextDir "home/app/profile" "umask 077";
        regex = "/home/app";
        mode = "0700";
        uid = 1000;
        gid = 1000;
      }
    ];
    fakeRootCommands = ''
      mkdir -p data
      echo secret > data/key
      chmod 640 data/key
      chown 999:998 data/key
      ln -s ${pkgs.hello} data/hello
      cat etc/greeting > data/greeting
    '';
    config.Env = [ "PATH=${pkgs.busybox}/bin" ];
  };

  fakeRoot =
    import ../../modules/images/fake-root.nix
      {
        inherit lib;
        inherit (pkgs) fakeroot runCommand;
      }
      {
        name = "again";
        commands = "mkdir -p b a/c; touch b/file";
        copyToRoot = [ (greeting "linked") ];
      };

  # On an image that nlewo's nix2container describes, with a layer that it has not written to the store.
  onJson = buildImage {
    name = "on-json";
    fromImage = pkgs.writeText "image-base.json" (
      builtins.toJSON {
        version = 1;
        arch = lib.removePrefix "linux/" (import ../../modules/images/platform.nix pkgs.stdenv.hostPlatform);
        image-config.Env = [ "PATH=${pkgs.busybox}/bin" ];
        layers = [
          {
            digest = "sha256:${builtins.hashString "sha256" ""}";
            size = 0;
            diff_ids = "sha256:${builtins.hashString "sha256" ""}";
            mediatype = "application/vnd.oci.image.layer.v1.tar";
            paths = [ { path = pkgs.busybox; } ];
          }
        ];
      }
    );
    config.Cmd = [
      "sh"
      "-c"
      (lib.getExe pkgs.hello)
    ];
  };

  removes = buildImage {
    name = "removes";
    copyToRoot = greeting "linked";
    fakeRootCommands = "rm etc/greeting";
    config.Cmd = [ (lib.getExe pkgs.hello) ];
  };

  # dockerTools' `contents`: of two files the first one is taken. copyToRoot refuses.
  contents = buildImage {
    name = "contents";
    contents = [
      (greeting "first")
      (greeting "second")
      pkgs.busybox
    ];
    config.Cmd = [
      "cat"
      "/etc/greeting"
    ];
    config.Env = [ "PATH=/bin" ];
  };
  conflict = buildImage {
    name = "conflict";
    copyToRoot = [
      (greeting "first")
      (greeting "second")
    ];
    config.Cmd = [ (lib.getExe pkgs.hello) ];
  };

  volumes = buildImage {
    name = "volumes";
    config = {
      Cmd = [ (lib.getExe pkgs.hello) ];
      Volumes."/data" = { };
    };
  };

  multiArch = buildMultiArchImage {
    name = "${registry}/multi-arch";
    images = map (
      set:
      set.nix-snapshotter.buildImage {
        name = "hello";
        config.Entrypoint = [ (lib.getExe set.hello) ];
      }
    ) [ pkgs.pkgsCross.aarch64-multiplatform pkgs ];
  };
  resolvedMultiArch = buildMultiArchImage {
    name = "multi-arch";
    resolvedByNix = true;
    inherit (multiArch) images;
  };
  foreignHello = pkgs.pkgsCross.aarch64-multiplatform.hello;
  twice = buildMultiArchImage {
    name = "twice";
    images = [
      hello
      hello
    ];
  };

  unknownArgument = buildImage {
    name = "unknown";
    conifg.Cmd = [ "typing error" ];
  };
  unknownPlatform = import ../../modules/images/platform.nix { system = "mips-linux"; };
}
