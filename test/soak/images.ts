import { busyboxArchive } from '../fixtures/images.ts';
import { deletePaths } from '../fixtures/packages.ts';
import { startRegistry } from '../integration/support/registry.ts';
import type { Rig } from '../integration/support/rig.ts';
import { makeClosure } from './closures.ts';

/** An image that clients pull, run and remove. */
export interface SoakImage {
  /** In the table. */
  readonly kind: string;
  readonly reference: string;
  /** A program of it that ends at once. */
  readonly command: readonly string[];
  /** Pulled from the resolver, not from the registry. */
  readonly fromResolver: boolean;
}

/** Store paths of the closures that images name, and bytes of the largest path. */
const SIZES = [
  { count: 4, bytes: 1000 },
  { count: 20, bytes: 1_000_000 },
  { count: 200, bytes: 20_000_000 },
] as const;

/** Puts images into a registry of the node, and what they name into its cache; the store has none of it afterwards. */
export async function makeImages(rig: Rig): Promise<readonly SoakImage[]> {
  const registry = (await startRegistry(rig.node)).address;
  const images: SoakImage[] = [];
  const made: string[] = [];
  for (const size of SIZES) {
    const { count } = size;
    const { root, shell, info, paths } = await makeClosure(rig.node, { ...size, seed: `soak-${count}` });
    const command = [shell, 'true'];
    const build = ['--closure', `${info}/store-paths`, '--cmd', shell];
    const named = `${registry}/closure-${count}:1`;
    await push(rig, named, build);
    images.push({ kind: `${count} paths`, reference: named, command, fromResolver: false });
    const reference = `nix:0${root}:latest`;
    images.push({ kind: `nix:0, ${count} paths`, reference, command, fromResolver: true });
    await rig.cache.add([info]);
    made.push(info, ...paths);
    if (size !== SIZES[0]) continue;
    const onBase = `${registry}/on-base:1`;
    await push(rig, onBase, [...build, '--from-image', await busyboxArchive(rig.node)]);
    images.push({
      kind: `${count} paths on an ordinary layer`,
      reference: onBase,
      command,
      fromResolver: false,
    });
  }
  const plain = `${registry}/plain:1`;
  await rig.nix2container(['push', await busyboxArchive(rig.node, plain), plain]);
  images.push({ kind: 'ordinary', reference: plain, command: ['busybox', 'true'], fromResolver: false });
  await deletePaths(rig.node, made);
  return images;
}

/** References of store paths for a client that shares its images with nobody: their config would be one image to CRI. */
export async function ownPaths(rig: Rig, client: string): Promise<readonly string[]> {
  const closures = [
    await makeClosure(rig.node, { seed: client, count: 4, bytes: 1000 }),
    await makeClosure(rig.node, { seed: `${client}-larger`, count: 50, bytes: 1_000_000 }),
  ];
  const paths = closures.flatMap((closure) => closure.paths);
  await rig.cache.add(closures.map(({ root }) => root));
  await deletePaths(rig.node, [...paths, ...closures.map(({ info }) => info)]);
  return closures.map(({ root }) => `nix:0${root}:latest`);
}

async function push(rig: Rig, name: string, flags: readonly string[]): Promise<void> {
  const archive = '/tmp/images/soak.tar';
  await rig.node.exec(['mkdir', '-p', '/tmp/images']);
  await rig.nix2container(['build', '--log-level', 'error', '--ref', name, ...flags, archive]);
  await rig.nix2container(['push', archive, name]);
}
