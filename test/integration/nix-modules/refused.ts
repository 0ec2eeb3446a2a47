/** What is refused in which configuration, by a text that says what to do. */
export const REFUSED: Readonly<Record<'nixos' | 'home', Readonly<Record<string, RegExp>>>> = {
  nixos: {
    noDaemon: /needs the daemon.*set services\.nix-snapshotter\.enable = true/,
    noContainerd: /containerd is not: set virtualisation\.containerd\.enable = true/,
    runscAlone: /defaultRuntime is "runsc".*set virtualisation\.containerd\.gVisorIntegration = true/,
    goPackage:
      /services\.nix-snapshotter\.package is the Go version, as nixpkgs' own nix-snapshotter is.*overlay/,
    otherHosts:
      /config_path of CRI is "\/etc\/mine:\/etc\/docker\/certs\.d", without \/etc\/containerd\/certs\.d/,
    hostsInStore: /a link into the store as a whole.*name each file/,
    readOnlyEtc: /system\.etc\.overlay\.mutable = false makes \/etc read-only.*resolver\.enable = false/,
    otherVersion: /settings are of version 3, and virtualisation\.containerd\.configVersion is 2/,
    version3On1: /configVersion is 3, which containerd 1\.7\.29 does not read: leave it/,
    containerdFile: /configFile replaces virtualisation\.containerd\.settings.*setup --containerd --print/,
    mirrors: /registry\.mirrors of CRI cannot stand beside registry\.config_path.*hosts\.toml/,
    bothFiles: /configFile replaces services\.nix-snapshotter\.settings.*\(settings: view\)/,
    goKey: /settings\.external_builder is a key of the Go version.*resolver\.build = "drv"/,
    notLoopback: /resolver\.address is "0\.0\.0\.0:7373".*such as "127\.0\.0\.1:7373"/,
    twoContainerds: /^Two containerds claim the daemon's socket.*k3sIntegration = true/,
    embeddedNoDaemon:
      /snapshotter = "nix-snapshotter" needs the daemon.*set services\.nix-snapshotter\.enable = true/,
    embeddedNoResolver: /needs the resolver.*set services\.nix-snapshotter\.resolver\.enable = true/,
    embeddedRegistries: /"rancher\/k3s\/registries\.yaml" is in the store.*systemd\.tmpfiles/,
    embeddedTemplate: /services\.k3s\.containerdConfigTemplate.*setup --k3s --print/,
    externalSnapshotter: /services\.k3s\.snapshotter is of the containerd in k3s.*remove it/,
    externalEmbedded: /setEmbeddedContainerd leads to the containerd in k3s.*remove one of the two/,
    twoAddresses: /^CONTAINERD_ADDRESS is claimed twice.*virtualisation\.containerd\.setAddress/,
    externalNoK3s:
      /k3sIntegration prepares containerd for k3s, which is off: set services\.k3s\.enable = true/,
    imagesOfNobody: /imageService stands in front of a containerd, and there is none: set/,
    kubeletToNobody: /imageService\.kubelet.*an image service that is off: set/,
    flagToNobody: /kubelet\.extraOpts leads the kubelet to .*where no image service is: set/,
    viewsForNobody: /viewHelper.*set services\.nix-snapshotter\.rootless\.enable = true/,
  },
  home: {
    noDaemon: /needs the daemon.*set services\.nix-snapshotter\.rootless\.enable = true/,
    noContainerd: /there is none: set virtualisation\.containerd\.rootless\.enable = true/,
    integrationAlone: /containerd is not: set virtualisation\.containerd\.rootless\.enable = true/,
    bothFiles: /rootless\.configFile replaces services\.nix-snapshotter\.rootless\.settings/,
    k3sDaemon: /does not run in the namespaces of a k3s without root; use "nix"/,
    twoAddresses: /^CONTAINERD_ADDRESS is claimed twice.*rootless\.enable\. Remove one/,
  },
};
