import { open, readdir } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';

/** A view as mount options name it, whose paths may be relative: by its key, which is a hash. */
const VIEW = /\/([0-9a-f]{32})\/view\/root(?![^:,\s])/g;
/** Enough for the number of a namespace's first mount. */
const HEAD_BYTES = 32;

/**
 * The keys of views that are lower directories of a mount in any mount namespace of this host: somebody's container stands on
 * them, and looks files up in a view's metadata whether or not the view is mounted any more.
 *
 * Reads each mount namespace once: no two have the same mount (proc_pid_mountinfo(5)).
 *
 * @throws the Node.js error of a process whose mounts cannot be read.
 */
export async function viewsInUse(proc = '/proc'): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  const seen = new Set<string>();
  for (const process of await readdir(proc)) {
    if (!/^\d+$/.test(process)) continue;
    const table = await mountTable(`${proc}/${process}/mountinfo`, seen);
    for (const [, key] of table.matchAll(VIEW)) keys.add(key ?? '');
  }
  return keys;
}

/** A process's mounts; empty when it has none, is gone, or shares them with one that was `seen`. */
async function mountTable(file: string, seen: Set<string>): Promise<string> {
  try {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(HEAD_BYTES) });
    const head = buffer.toString('latin1', 0, bytesRead);
    const [first = ''] = head.split(' ');
    if (first === '' || seen.has(first)) return '';
    const rest = await handle.readFile('latin1');
    seen.add(first);
    return head + rest;
  } catch (error) {
    // It has ended meanwhile, or is about to.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EINVAL') return '';
    throw error;
  }
}
