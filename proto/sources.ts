/** The Go module that containerd's API definitions are taken from. */
export const CONTAINERD_API = { module: 'github.com/containerd/containerd/api', version: 'v1.11.1' };

/** Files of that module, relative to its top; here they live below `proto/containerd/`. */
export const CONTAINERD_FILES = [
  'services/content/v1/content.proto',
  'services/diff/v1/diff.proto',
  'services/images/v1/images.proto',
  'services/leases/v1/leases.proto',
  'services/snapshots/v1/snapshots.proto',
  'types/descriptor.proto',
  'types/mount.proto',
] as const;

/** Files that are kept by hand, relative to `proto/`. */
export const OWN_FILES = ['grpc/health/v1/health.proto', 'nix_snapshotter/v1/status.proto'] as const;

/** The services the programs use, with the prefix that the types of their package get in `gen/messages.ts`. */
export const SERVICES = [
  { name: 'containerd.services.content.v1.Content', prefix: 'Content' },
  { name: 'containerd.services.diff.v1.Diff', prefix: 'Diff' },
  { name: 'containerd.services.images.v1.Images', prefix: 'Images' },
  { name: 'containerd.services.leases.v1.Leases', prefix: 'Leases' },
  { name: 'containerd.services.snapshots.v1.Snapshots', prefix: 'Snapshots' },
  { name: 'grpc.health.v1.Health', prefix: '' },
  { name: 'nix_snapshotter.v1.Status', prefix: '' },
] as const;

/** The prefix of the types of a package in `gen/messages.ts`; none for packages without a listed service. */
export function prefixOf(packageName: string): string {
  return SERVICES.find(({ name }) => name.slice(0, name.lastIndexOf('.')) === packageName)?.prefix ?? '';
}
