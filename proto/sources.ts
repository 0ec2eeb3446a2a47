/** Definitions that are taken from a Go module as they are. */
export interface Vendored {
  readonly module: string;
  readonly version: string;
  /** Folder below `proto/` where the files live here. */
  readonly folder: string;
  /** Folder of the module that they are relative to. */
  readonly from: string;
  readonly files: readonly string[];
}

export const VENDORED: readonly Vendored[] = [
  {
    module: 'github.com/containerd/containerd/api',
    version: 'v1.11.1',
    folder: 'containerd',
    from: '.',
    files: [
      'services/content/v1/content.proto',
      'services/diff/v1/diff.proto',
      'services/images/v1/images.proto',
      'services/introspection/v1/introspection.proto',
      'services/leases/v1/leases.proto',
      'services/namespaces/v1/namespace.proto',
      'services/snapshots/v1/snapshots.proto',
      'services/version/v1/version.proto',
      'types/descriptor.proto',
      'types/introspection.proto',
      'types/mount.proto',
      'types/platform.proto',
    ],
  },
  {
    module: 'k8s.io/cri-api',
    version: 'v0.37.0',
    folder: 'cri',
    from: 'pkg/apis',
    files: ['runtime/v1/api.proto'],
  },
];

/** Files that are kept by hand, relative to `proto/`. */
export const OWN_FILES = [
  'google/rpc/status.proto',
  'grpc/health/v1/health.proto',
  'nix_snapshotter/v1/repair.proto',
  'nix_snapshotter/v1/status.proto',
  'nix_snapshotter/v1/view_helper.proto',
] as const;

/**
 * The services the programs use, with the prefix that the types of their package get in `gen/messages.ts`, and the file in
 * `gen/` that describes them: what a daemon may do without has a file of its own, which is read late.
 */
export const SERVICES = [
  { name: 'containerd.services.content.v1.Content', prefix: 'Content', file: 'descriptor.json' },
  { name: 'containerd.services.diff.v1.Diff', prefix: 'Diff', file: 'descriptor.json' },
  { name: 'containerd.services.images.v1.Images', prefix: 'Images', file: 'descriptor.json' },
  {
    name: 'containerd.services.introspection.v1.Introspection',
    prefix: 'Introspection',
    file: 'introspection.json',
  },
  { name: 'containerd.services.leases.v1.Leases', prefix: 'Leases', file: 'descriptor.json' },
  { name: 'containerd.services.namespaces.v1.Namespaces', prefix: 'Namespaces', file: 'namespaces.json' },
  { name: 'containerd.services.snapshots.v1.Snapshots', prefix: 'Snapshots', file: 'descriptor.json' },
  { name: 'containerd.services.version.v1.Version', prefix: 'Version', file: 'introspection.json' },
  { name: 'grpc.health.v1.Health', prefix: '', file: 'descriptor.json' },
  { name: 'nix_snapshotter.v1.Repair', prefix: '', file: 'descriptor.json' },
  { name: 'nix_snapshotter.v1.Status', prefix: '', file: 'descriptor.json' },
  { name: 'nix_snapshotter.v1.ViewHelper', prefix: '', file: 'view-helper.json' },
  { name: 'runtime.v1.ImageService', prefix: 'Cri', file: 'cri.json' },
] as const;

/** The prefix of the types of a package in `gen/messages.ts`; none for packages without a listed service. */
export function prefixOf(packageName: string): string {
  return SERVICES.find(({ name }) => name.slice(0, name.lastIndexOf('.')) === packageName)?.prefix ?? '';
}
