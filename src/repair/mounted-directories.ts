import { readdir, readFile, readlink } from 'node:fs/promises';
import { mountText, realPath } from '../host/mounts-below.ts';

/**
 * The numbers of snapshots' directories that mounts use, in each mount namespace that this process may look into: of containers that
 * run, or of anybody else. Its own namespace is among them, where containerd mounts containers' root file systems.
 *
 * @param snapshots the parent of the directories; may be reached by symlinks.
 */
export async function mountedDirectories(snapshots: string): Promise<ReadonlySet<number>> {
  const seen = new Set<string>();
  const parents = [...new Set([snapshots, await realPath(snapshots)])];
  const ids = new Set(idsIn(await readFile('/proc/self/mountinfo', 'utf8'), parents));
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const namespace = await orNothing(readlink(`/proc/${pid}/ns/mnt`));
    if (namespace === undefined || seen.has(namespace)) continue;
    const table = await orNothing(readFile(`/proc/${pid}/mountinfo`, 'utf8'));
    if (table === undefined) continue;
    seen.add(namespace);
    for (const id of idsIn(table, parents)) ids.add(id);
  }
  return ids;
}

/**
 * The numbers of snapshots' directories in a table of mounts. containerd names lower directories relative to their parent where options
 * would be too long, and a view has no others; more than is in use is no harm.
 *
 * @param parents what the parent of the directories is called.
 */
export function idsIn(table: string, parents: readonly string[]): readonly number[] {
  const ids: number[] = [];
  const prefixes = parents.map((parent) => `${mountText(parent)}/`);
  for (const line of table.split('\n')) {
    const namesParent =
      prefixes.some((prefix) => line.includes(prefix)) || /\/snapshots\/\d+\/fs /.test(line);
    const directories = namesParent ? /[=:/](\d{1,15})\/(?:fs|work)\b/g : /[=:](\d{1,15})\/fs\b/g;
    for (const [, id] of line.matchAll(directories)) ids.push(Number(id));
  }
  return ids;
}

/** Processes end while they are looked at, and some may not be looked at. */
async function orNothing(reading: Promise<string>): Promise<string | undefined> {
  try {
    return await reading;
  } catch {
    return undefined;
  }
}
