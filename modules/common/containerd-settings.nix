/*
  containerd's configuration: what every containerd of ours has, and what the snapshotter needs. A test compares the latter with what
  `nix-snapshotter setup --containerd` writes, on containerd 1.7 to 2.4.
*/
{ lib }:
let
  cri = "io.containerd.grpc.v1.cri";

  /*
    CRI's settings for a version of the file. containerd 1.7 reads version 2; 2.x reads both, and takes version 2 over.

    `runtime`: of the runtime part; `snapshotter`, `hostsDirs`, `sandboxImage`: of the image part; `server`: of the streaming server.
  */
  criPlugins =
    {
      version,
      runtime ? { },
      snapshotter ? null,
      hostsDirs ? null,
      sandboxImage ? null,
      server ? { },
    }:
    let
      registry = lib.optionalAttrs (hostsDirs != null) { registry.config_path = hostsDirs; };
      ofSnapshotter = lib.optionalAttrs (snapshotter != null) { inherit snapshotter; };
      used = lib.filterAttrs (_: plugin: plugin != { });
    in
    used (
      if version >= 3 then
        {
          "io.containerd.cri.v1.runtime" = runtime;
          "io.containerd.cri.v1.images" =
            ofSnapshotter
            // registry
            // lib.optionalAttrs (sandboxImage != null) { pinned_images.sandbox = sandboxImage; };
          ${cri} = server;
        }
      else
        {
          ${cri} =
            runtime
            // server
            // registry
            // lib.optionalAttrs (sandboxImage != null) { sandbox_image = sandboxImage; }
            // lib.optionalAttrs (runtime ? containerd || snapshotter != null) {
              containerd = runtime.containerd or { } // ofSnapshotter;
            };
        }
    );

  platforms = {
    x86_64-linux = "linux/amd64";
    aarch64-linux = "linux/arm64";
  };

  # Where containerd 2.2 and later look for hosts.toml unless told.
  hostsDirs = "/etc/containerd/certs.d:/etc/docker/certs.d";
in
{
  inherit hostsDirs;

  # As OCI writes the platform of a system.
  platformOf =
    system: platforms.${system} or (throw "nix-snapshotter runs on x86_64-linux and aarch64-linux, not on ${system}");

  # What a containerd needs to run containers.
  base =
    {
      version,
      defaultRuntime,
      cniPlugins,
      systemdCgroup,
    }:
    {
      plugins = criPlugins {
        inherit version;
        runtime = {
          cni = {
            conf_dir = lib.mkOptionDefault "/etc/cni/net.d";
            bin_dir = lib.mkOptionDefault "${cniPlugins}/bin";
          };
          containerd = {
            default_runtime_name = defaultRuntime;
            runtimes.runc = {
              runtime_type = "io.containerd.runc.v2";
              options.SystemdCgroup = lib.mkOptionDefault systemdCgroup;
            };
          };
        };
      };
    };

  /*
    The snapshotter as proxy plugin, for CRI and for clients of the transfer service, with overlayfs beside it.

    `release`: containerd's version. `hosts`: whether CRI looks for the reserved hosts.
  */
  nixSnapshotter =
    {
      version,
      release,
      platform,
      socket,
      root,
      hosts,
    }:
    let
      is1 = lib.versionOlder release "2";
      arch = lib.removePrefix "linux/" platform;
    in
    {
      plugins =
        criPlugins {
          inherit version;
          snapshotter = "nix";
          hostsDirs = if hosts then lib.mkDefault hostsDirs else null;
        }
        // {
          # A list replaces what containerd has by itself.
          "io.containerd.transfer.v1.local".unpack_config = [
            {
              inherit platform;
              snapshotter = "overlayfs";
              differ = "walking";
            }
          ]
          ++ lib.optional (lib.versionAtLeast release "2.3") {
            platform = "linux(+erofs)/${arch}";
            snapshotter = "erofs";
            differ = "erofs";
            optional = true;
          }
          ++ [
            {
              inherit platform;
              snapshotter = "nix";
              differ = "walking";
            }
          ];
        };
      proxy_plugins.nix = {
        type = "snapshot";
        address = socket;
        exports.root = root;
      }
      # The mounter of 1.7 does not know the answer.
      // lib.optionalAttrs (!is1) { capabilities = [ "remap-ids" ]; };
    };

  gVisor =
    { version }:
    {
      plugins = criPlugins {
        inherit version;
        runtime.containerd.runtimes.runsc.runtime_type = "io.containerd.runsc.v1";
      };
    };

  # What k3s tells its own containerd, for one that k3s is pointed at.
  k3s =
    { version, cniPlugins }:
    {
      plugins = criPlugins {
        inherit version;
        sandboxImage = lib.mkDefault "rancher/mirrored-pause:3.6";
        server = {
          stream_server_address = "127.0.0.1";
          stream_server_port = "10010";
        };
        runtime = {
          enable_selinux = lib.mkDefault false;
          enable_unprivileged_ports = lib.mkDefault true;
          enable_unprivileged_icmp = lib.mkDefault true;
          cni = {
            conf_dir = "/var/lib/rancher/k3s/agent/etc/cni/net.d/";
            bin_dir = "${cniPlugins}/bin";
          };
          # The kubelet of a k3s that systemd started uses it, too.
          containerd.runtimes.runc.options.SystemdCgroup = lib.mkDefault true;
        };
      };
    };

  # What cannot be had in a user namespace.
  rootless =
    { version }:
    {
      plugins = criPlugins {
        inherit version;
        runtime = {
          disable_apparmor = true;
          disable_cgroup = true;
          restrict_oom_score_adj = true;
        };
      };
    };
}
