import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { diskError } from '../host/disk-error.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { MountPoint, PathKind } from '../view/view.ts';
import type { Layout } from './layout.ts';

/**
 * Makes mount points below a snapshot's `fs`: directories 0755, empty files 0444, links as they are.
 *
 * @throws StatusError naming the mount point; the caller removes the whole directory.
 */
export async function makeMountPoints(fs: string, mountPoints: readonly MountPoint[]): Promise<void> {
  for (const parent of new Set(mountPoints.map((point) => dirname(point.path))))
    await makeParents(fs, parent);
  for (const { path, kind, linkTarget } of mountPoints) {
    try {
      const place = join(fs, path);
      if (kind === 'directory') {
        await mkdir(place);
        await chmod(place, 0o755);
      } else if (kind === 'file') {
        await writeFile(place, '', { flag: 'wx' });
        await chmod(place, 0o444);
      } else {
        await symlink(linkTarget ?? '', place);
      }
    } catch (error) {
      throw diskError(`mount point ${path} cannot be made in ${fs}`, error);
    }
  }
}

async function makeParents(fs: string, path: string): Promise<void> {
  let place = fs;
  for (const part of path.split('/')) {
    place = join(place, part);
    try {
      await mkdir(place);
      await chmod(place, 0o755);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw diskError(`mount point ${path} cannot be made in ${fs}`, error);
    }
  }
}

/**
 * What a chain shows directly below `nix/store`, by name. Nix layers are read through; an ordinary layer with a
 * `nix` of its own may hide what is below it (whiteouts, an opaque directory), so nothing below it counts.
 *
 * @param chain the immediate parent first.
 */
export async function presentMountPoints(
  chain: readonly SnapshotRecord[],
  layout: Layout,
): Promise<ReadonlyMap<string, PathKind>> {
  const present = new Map<string, PathKind>();
  for (const record of chain) {
    const fs = layout.fs(record.id);
    const nix = (await readdir(fs, { withFileTypes: true })).find((entry) => entry.name === 'nix');
    if (nix === undefined) continue;
    for (const entry of await storeEntries(fs, nix)) {
      const kind = kindOf(entry);
      if (kind !== undefined && !present.has(entry.name)) present.set(entry.name, kind);
    }
    if (record.closure === undefined) break;
  }
  return present;
}

/** The entries of `nix/store`, when both are real directories: a layer's links are never followed on the host. */
async function storeEntries(fs: string, nix: Dirent): Promise<readonly Dirent[]> {
  if (!nix.isDirectory()) return [];
  const store = (await readdir(join(fs, 'nix'), { withFileTypes: true })).find(
    (entry) => entry.name === 'store',
  );
  return store?.isDirectory() === true ? readdir(join(fs, 'nix', 'store'), { withFileTypes: true }) : [];
}

function kindOf(entry: Dirent): PathKind | undefined {
  if (entry.isDirectory()) return 'directory';
  if (entry.isFile()) return 'file';
  return entry.isSymbolicLink() ? 'symlink' : undefined;
}
