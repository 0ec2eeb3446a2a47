import { type PackageName, buildPackages, closureOf, deletePaths } from '../../fixtures/packages.ts';
import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { baseArchive } from './base-image.ts';
import { OciLayout } from './oci-layout.ts';
import type { Rig } from './rig.ts';

/** What the layer between the two Nix layers puts into `/app/added`. */
export const ADDED = 'by the layer between the Nix layers\n';

/** An image of ordinary, Nix, ordinary and Nix layers whose store paths are on the binary cache alone. */
export interface InterleavedImage {
  /** OCI layout inside the sandbox. */
  readonly layout: string;
  readonly packages: Record<Extract<PackageName, 'greeter' | 'redis' | 'everything'>, string>;
  /** Store paths that a container of it shows, sorted. */
  readonly closure: readonly string[];
  /** The last of them by name: a file. */
  readonly last: string;
  /** `closureInfo` outputs that its layers name. */
  readonly closureInfos: readonly string[];
  /** What {@link describePaths} prints of the closure. */
  readonly description: string;
}

/** Builds the image on the rig's node, puts its closure on the cache, and deletes it from the node's store. */
export async function interleavedImage(
  rig: Pick<Rig, 'node' | 'cache' | 'nix2container'>,
): Promise<InterleavedImage> {
  const { node } = rig;
  const packages = await buildPackages(node, ['greeter', 'redis', 'everything']);
  const last = await fileSortingLast(node, await closureOf(node, Object.values(packages)));
  const closure = await closureOf(node, [...Object.values(packages), last]);
  const base = '/tmp/images/base.tar';
  await node.writeFile(base, await baseArchive(node, { name: 'localhost/base:1' }));

  const build = ['build', '--format', 'oci-layout', '--log-level', 'error'];
  const first = '/tmp/images/first';
  const upTo = [
    '--from-image',
    base,
    '--copy-to-root',
    packages.greeter,
    '--out',
    first,
    '--ref',
    'localhost/first:1',
  ];
  await rig.nix2container([...build, ...upTo, packages.everything, last]);
  await new OciLayout({ dir: node.hostPath(first) }).appendLayer([
    { path: 'app', type: 'directory' },
    { path: 'app/added', content: ADDED },
  ]);
  const layout = '/tmp/images/interleaved';
  const onTop = [
    '--from-image',
    first,
    '--out',
    layout,
    '--ref',
    'localhost/interleaved:1',
    '--cmd',
    'greet',
  ];
  await rig.nix2container([...build, ...onTop, packages.redis]);

  const closureInfos = await new OciLayout({ dir: node.hostPath(layout) }).annotations(CLOSURE_ANNOTATION);
  const description = (await node.exec(['busybox', 'sh', '-c', describePaths(closure)])).stdout;
  await rig.cache.add(closureInfos);
  await deletePaths(node, closure);
  return { layout, packages, closure, last, closureInfos, description };
}

/** A shell text that prints kind, mode, size, link target and content of everything below the paths. */
export function describePaths(paths: readonly string[]): string {
  const each = `find "$1" -exec stat -c '%N %F %a' {} \\; -exec sh -c '[ -L "$0" ] || [ -d "$0" ] || md5sum "$0"' {} \\;`;
  return `set -e; describe() { ${each}; }; { ${paths.map((path) => `describe '${path}'`).join('; ')}; } | sort`;
}

/** Adds files to the store until the hash of one is above those of all the paths. */
async function fileSortingLast(node: Sandbox, paths: readonly string[]): Promise<string> {
  const highest = paths.toSorted().at(-1) ?? '';
  for (let batch = 0; ; batch += 1) {
    const dir = `/tmp/candidates/${batch}`;
    await node.sh(`mkdir -p ${dir}; cd ${dir}; for i in $(seq 100); do echo ${batch} $i > last-$i; done`);
    const added = (await node.sh(`nix-store --add ${dir}/*`)).stdout.split('\n');
    const found = added.toSorted().at(-1) ?? '';
    if (found > highest) return found;
  }
}
