# The platform of an image, as OCI writes it, for what nixpkgs calls a host platform.
hostPlatform:
let
  platforms = {
    x86_64-linux = "linux/amd64";
    aarch64-linux = "linux/arm64";
    i686-linux = "linux/386";
    armv6l-linux = "linux/arm/v6";
    armv7l-linux = "linux/arm/v7";
    powerpc64le-linux = "linux/ppc64le";
    riscv64-linux = "linux/riscv64";
    s390x-linux = "linux/s390x";
  };
in
platforms.${hostPlatform.system}
  or (throw "buildImage: no container platform is known for ${hostPlatform.system}: pass platform, as \"linux/amd64\"")
