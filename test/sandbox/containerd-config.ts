import { stringify } from 'smol-toml';

/** What a containerd's configuration file depends on. */
export interface ContainerdConfigOptions {
  /** 2 for containerd 1.7, 3 for 2.x. */
  readonly formatVersion: 2 | 3;
  /** `linux/amd64` and the like. */
  readonly platform: string;
  readonly cri: boolean;
  /** The proxy snapshotter `nix`, if any. */
  readonly proxy?: {
    readonly socket: string;
    readonly root: string;
    readonly capabilities: readonly string[];
    /** Also use it as diff plugin `nix-diff`. */
    readonly diff: boolean;
  };
  /** Proxy snapshotters besides `nix`. */
  readonly furtherSnapshotters?: readonly NamedSnapshotter[];
}

/** A proxy snapshotter by its name in containerd. */
export interface NamedSnapshotter {
  readonly name: string;
  readonly socket: string;
  readonly root: string;
}

export const PAUSE_IMAGE = 'localhost/pause:1';
const CNI = { bin: '/usr/lib/cni', conf: '/etc/cni/net.d' } as const;
const CERTS = '/etc/containerd/certs.d';
const RUNC = { BinaryName: '/usr/sbin/runc', SystemdCgroup: false } as const;

/** containerd's configuration as TOML. */
export function containerdConfig(options: ContainerdConfigOptions): string {
  const { formatVersion, proxy, furtherSnapshotters = [] } = options;
  const proxyPlugins = {
    ...(proxy === undefined ? {} : pluginsOf(proxy)),
    ...Object.fromEntries(furtherSnapshotters.map((further) => [further.name, snapshotPlugin(further)])),
  };
  return stringify({
    version: formatVersion,
    root: '/var/lib/containerd',
    state: '/run/containerd',
    ...(options.cri ? {} : { disabled_plugins: ['io.containerd.grpc.v1.cri'] }),
    grpc: { address: '/run/containerd/containerd.sock' },
    plugins: {
      'io.containerd.nri.v1.nri': { disable: true },
      'io.containerd.internal.v1.opt': { path: '/var/lib/containerd/opt' },
      'io.containerd.transfer.v1.local': { config_path: CERTS, unpack_config: unpackConfig(options) },
      ...(proxy?.diff === true
        ? { 'io.containerd.service.v1.diff-service': { default: ['nix-diff', 'walking'] } }
        : {}),
      ...(formatVersion === 2 ? criOf1(options) : criOf2(options)),
    },
    ...(Object.keys(proxyPlugins).length === 0 ? {} : { proxy_plugins: proxyPlugins }),
  });
}

function unpackConfig({ platform, proxy }: ContainerdConfigOptions): object[] {
  const overlayfs = { platform, snapshotter: 'overlayfs', differ: 'walking' };
  if (proxy === undefined) return [overlayfs];
  return [overlayfs, { platform, snapshotter: 'nix', differ: proxy.diff ? 'nix-diff' : 'walking' }];
}

function pluginsOf(proxy: NonNullable<ContainerdConfigOptions['proxy']>): object {
  return {
    nix: snapshotPlugin(proxy, proxy.capabilities),
    ...(proxy.diff ? { 'nix-diff': { type: 'diff', address: proxy.socket } } : {}),
  };
}

function snapshotPlugin(
  { socket, root }: Pick<NamedSnapshotter, 'socket' | 'root'>,
  capabilities: readonly string[] = [],
): object {
  return {
    type: 'snapshot',
    address: socket,
    capabilities: [...capabilities],
    exports: { root, enable_remote_snapshot_annotations: 'true' },
  };
}

function criOf1({ proxy }: ContainerdConfigOptions): object {
  return {
    'io.containerd.grpc.v1.cri': {
      // Without CAP_SYS_RESOURCE lowering the score fails, and pods die with "can't get final child's PID".
      restrict_oom_score_adj: true,
      sandbox_image: PAUSE_IMAGE,
      containerd: {
        snapshotter: proxy === undefined ? 'overlayfs' : 'nix',
        disable_snapshot_annotations: false,
        runtimes: { runc: { runtime_type: 'io.containerd.runc.v2', options: RUNC } },
      },
      cni: { bin_dir: CNI.bin, conf_dir: CNI.conf },
      registry: { config_path: CERTS },
    },
  };
}

function criOf2({ proxy }: ContainerdConfigOptions): object {
  return {
    'io.containerd.cri.v1.images': {
      snapshotter: proxy === undefined ? 'overlayfs' : 'nix',
      disable_snapshot_annotations: false,
      pinned_images: { sandbox: PAUSE_IMAGE },
      registry: { config_path: CERTS },
    },
    'io.containerd.cri.v1.runtime': {
      restrict_oom_score_adj: true,
      containerd: { runtimes: { runc: { runtime_type: 'io.containerd.runc.v2', options: RUNC } } },
      cni: { bin_dirs: [CNI.bin], conf_dir: CNI.conf },
    },
  };
}

/** The pod network: a bridge of the sandbox's own. */
export const CNI_CONFLIST = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'testbed',
  plugins: [
    {
      type: 'bridge',
      bridge: 'testbr0',
      isGateway: true,
      ipMasq: false,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.77.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
  ],
});
