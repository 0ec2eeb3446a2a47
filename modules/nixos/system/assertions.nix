# What cannot work together, each with what to do.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  snapshotter = config.services.nix-snapshotter;
  containerd = config.virtualisation.containerd;
  k3s = config.services.k3s;
  kubelet = config.services.kubernetes.kubelet;
  inherit (snapshotter.lib) address inK3s;

  external = containerd.enable && containerd.k3sIntegration;
  plugins = containerd.settings.plugins or { };
  registry =
    plugins."io.containerd.grpc.v1.cri".registry or { }
    // plugins."io.containerd.cri.v1.images".registry or { };
  # CRI of the system's containerd looks for the resolver's hosts.
  resolved = containerd.enable && containerd.nixSnapshotterIntegration && snapshotter.resolver.enable;
  overlay = config.system.etc.overlay or { };
  # Whether NixOS makes a path of /etc.
  isMade = path: config.environment.etc.${path}.enable or (config.environment.etc ? ${path});
in
{
  assertions = [
    {
      assertion = containerd.enable && containerd.nixSnapshotterIntegration -> snapshotter.enable;
      message =
        "virtualisation.containerd.nixSnapshotterIntegration needs the daemon, else containerd has a snapshotter that does not "
        + "answer: set services.nix-snapshotter.enable = true.";
    }
    {
      assertion = containerd.nixSnapshotterIntegration || containerd.k3sIntegration || containerd.gVisorIntegration -> containerd.enable;
      message =
        "virtualisation.containerd: an integration is on, and containerd is not: set virtualisation.containerd.enable = true, or "
        + "virtualisation.containerd.rootless for a containerd of users.";
    }
    {
      assertion = containerd.enable -> containerd.settings.version or null == containerd.configVersion;
      message =
        "virtualisation.containerd.settings are of version ${toString (containerd.settings.version or "1")}, and "
        + "virtualisation.containerd.configVersion is ${toString containerd.configVersion}: CRI's tables have other names there. Set both alike.";
    }
    {
      assertion =
        containerd.enable && containerd.configVersion >= 3 -> lib.versionAtLeast pkgs.containerd.version "2";
      message =
        "virtualisation.containerd.configVersion is ${toString containerd.configVersion}, which containerd ${pkgs.containerd.version} does not "
        + "read: leave it and virtualisation.containerd.settings.version alone.";
    }
    {
      assertion = containerd.enable && containerd.nixSnapshotterIntegration -> (containerd.configFile or null) == null;
      message =
        "virtualisation.containerd.configFile replaces virtualisation.containerd.settings, which is where "
        + "nixSnapshotterIntegration adds the snapshotter: move the file's content to settings, or turn the integration off and "
        + "add what \"nix-snapshotter setup --containerd --print\" shows to the file.";
    }
    {
      assertion = resolved -> (registry.mirrors or { }) == { };
      message =
        "virtualisation.containerd.settings: registry.mirrors of CRI cannot stand beside registry.config_path, which the resolver "
        + "needs: move the mirrors to environment.etc.\"containerd/certs.d/<host>/hosts.toml\", or set "
        + "services.nix-snapshotter.resolver.enable = false.";
    }
    {
      assertion =
        resolved && registry ? config_path -> lib.elem "/etc/containerd/certs.d" (lib.splitString ":" registry.config_path);
      message =
        "virtualisation.containerd.settings: registry.config_path of CRI is \"${registry.config_path}\", without /etc/containerd/certs.d, where the "
        + "resolver's hosts are: add that, behind a colon, or set services.nix-snapshotter.resolver.enable = false.";
    }
    {
      assertion = resolved -> !isMade "containerd" && !isMade "containerd/certs.d";
      message =
        "environment.etc makes /etc/containerd or /etc/containerd/certs.d a link into the store as a whole, and the resolver's hosts are added "
        + "there: name each file (environment.etc.\"containerd/certs.d/<host>/hosts.toml\"), or set "
        + "services.nix-snapshotter.resolver.enable = false.";
    }
    {
      assertion =
        snapshotter.enable && snapshotter.resolver.enable && (overlay.enable or false) -> overlay.mutable or true;
      message =
        "system.etc.overlay.mutable = false makes /etc read-only, and \"nix-snapshotter setup\" writes there what leads clients to the resolver, with a "
        + "token that must not be in the store: leave it mutable, or set services.nix-snapshotter.resolver.enable = false.";
    }
    {
      assertion = snapshotter.enable && inK3s -> !isMade "rancher/k3s/registries.yaml";
      message =
        "environment.etc.\"rancher/k3s/registries.yaml\" is in the store, and services.k3s.snapshotter = \"nix-snapshotter\" adds the resolver with "
        + "its token to that file when the node starts: write your lines in another way (systemd.tmpfiles with \"C\").";
    }
    {
      assertion = !(snapshotter.enable && inK3s && containerd.enable && containerd.nixSnapshotterIntegration);
      message =
        "Two containerds claim the daemon's socket: virtualisation.containerd (nixSnapshotterIntegration) and the one in k3s "
        + "(services.k3s.snapshotter = \"nix-snapshotter\"). Each removes snapshots that it does not know, so a daemon serves one: let k3s "
        + "use the first (virtualisation.containerd.k3sIntegration = true and services.k3s.snapshotter left alone), or turn one off.";
    }
    {
      assertion = inK3s -> snapshotter.enable;
      message =
        "services.k3s.snapshotter = \"nix-snapshotter\" needs the daemon: set services.nix-snapshotter.enable = true. (\"nix\" is the Go "
        + "version that k3s has built in.)";
    }
    {
      assertion = snapshotter.enable && inK3s -> snapshotter.resolver.enable;
      message =
        "services.k3s.snapshotter = \"nix-snapshotter\" needs the resolver, by which k3s pulls store paths: set "
        + "services.nix-snapshotter.resolver.enable = true"
        + lib.optionalString snapshotter.lib.ownFile ", and settings in place of configFile"
        + ".";
    }
    {
      assertion = snapshotter.enable && inK3s -> (k3s.containerdConfigTemplate or null) == null;
      message =
        "services.k3s.containerdConfigTemplate makes the file to which services.k3s.snapshotter = \"nix-snapshotter\" adds the "
        + "snapshotter, when the node starts: write your lines to "
        + "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl in another way (systemd.tmpfiles with \"C\"), or leave snapshotter "
        + "alone and put what \"nix-snapshotter setup --k3s --print\" shows into the template.";
    }
    {
      assertion = !(k3s.enable && external && k3s.snapshotter != "overlayfs");
      message =
        "services.k3s.snapshotter is of the containerd in k3s, which virtualisation.containerd.k3sIntegration leaves out: remove it, and "
        + "set virtualisation.containerd.nixSnapshotterIntegration = true for Nix images.";
    }
    {
      assertion = !(k3s.enable && k3s.setEmbeddedContainerd && external);
      message =
        "services.k3s.setEmbeddedContainerd leads to the containerd in k3s, which virtualisation.containerd.k3sIntegration leaves out: "
        + "remove one of the two.";
    }
    {
      assertion =
        k3s.enable && k3s.setEmbeddedContainerd && containerd.enable && !external
        -> containerd.setAddress == "/run/k3s/containerd/containerd.sock";
      message =
        "CONTAINERD_ADDRESS is claimed twice: by services.k3s.setEmbeddedContainerd, and by virtualisation.containerd.enable. Remove "
        + "the first, or set virtualisation.containerd.setAddress = \"/run/k3s/containerd/containerd.sock\" as well.";
    }
    {
      assertion = containerd.k3sIntegration -> k3s.enable;
      message = "virtualisation.containerd.k3sIntegration prepares containerd for k3s, which is off: set services.k3s.enable = true.";
    }
    {
      assertion = snapshotter.enable && snapshotter.imageService.enable -> containerd.enable || inK3s;
      message =
        "services.nix-snapshotter.imageService stands in front of a containerd, and there is none: set "
        + "virtualisation.containerd.enable = true, or services.k3s.snapshotter = \"nix-snapshotter\", or leave the image service off.";
    }
    {
      assertion = snapshotter.imageService.kubelet -> snapshotter.enable && snapshotter.imageService.enable;
      message =
        "services.nix-snapshotter.imageService.kubelet leads the kubelet to an image service that is off: set "
        + "services.nix-snapshotter.imageService.enable = true.";
    }
    {
      assertion =
        kubelet.enable
        && lib.hasInfix "--image-service-endpoint" kubelet.extraOpts
        && lib.hasInfix address kubelet.extraOpts
        -> snapshotter.enable && snapshotter.imageService.enable;
      message =
        "services.kubernetes.kubelet.extraOpts leads the kubelet to ${address}, where no image service is: set "
        + "services.nix-snapshotter.imageService.enable = true, or remove --image-service-endpoint: store paths are pulled by the resolver, too.";
    }
  ];
}
