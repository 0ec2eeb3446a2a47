import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';
import { idsOf, parseIdMap } from './user-ids.ts';

/** A view as mount options name it, whose paths may be relative: by its key, which is a hash. */
const VIEW = /(?<=[/=:,\s])([0-9a-f]{32})\/view\/root(?=[:,\s])/g;
/** More characters than {@link VIEW} looks at: of a piece so many are looked at with the next one again. */
const OVERLAP = 64;
/** Enough for the number of a namespace's first mount. */
const HEAD_BYTES = 32;
const PIECE_BYTES = 64 * 1024;

/**
 * The keys of views that are lower directories of a mount in any mount namespace of a user's containers: somebody's container
 * stands on them, and looks files up in a view's metadata whether or not the view is mounted any more.
 *
 * Reads each mount namespace once: no two have the same mount (proc_pid_mountinfo(5)). Only processes in user namespaces made of
 * the user's ids count: what others mount keeps no view of this user, and takes no time. A table may be long, so it is read in
 * pieces.
 *
 * @throws the Node.js error of a process whose mounts cannot be read.
 */
export async function viewsInUse(user: number, proc = '/proc'): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  const seen = new Set<string>();
  for (const process of await processesOf(user, proc)) {
    await ofRunning(async () => {
      await using table = await open(`${proc}/${process}/mountinfo`);
      await readKeys(table, seen, keys);
    });
  }
  return keys;
}

/** The processes in user namespaces of a user's ids. */
async function processesOf(user: number, proc: string): Promise<readonly string[]> {
  const maps = new Map<string, ReturnType<typeof parseIdMap>>();
  for (const process of await readdir(proc)) {
    if (!/^\d+$/.test(process)) continue;
    await ofRunning(async () => {
      maps.set(process, parseIdMap(await readFile(`${proc}/${process}/uid_map`, 'latin1')));
    });
  }
  const isOwn = idsOf(user, [...maps.values()]);
  return [...maps].filter(([, map]) => map.some(isOwn)).map(([process]) => process);
}

/** Adds what a table of mounts names to `keys`, unless it is one that was `seen`. */
async function readKeys(table: FileHandle, seen: Set<string>, keys: Set<string>): Promise<void> {
  const buffer = Buffer.alloc(PIECE_BYTES);
  const read = async (length = PIECE_BYTES) => {
    const { bytesRead } = await table.read({ buffer, length });
    return buffer.toString('latin1', 0, bytesRead);
  };
  const head = await read(HEAD_BYTES);
  const [first = ''] = head.split(' ');
  if (first === '' || seen.has(first)) return;
  for (let last = head, piece = await read(); piece !== ''; piece = await read()) {
    const text = last + piece;
    for (const [, key = ''] of text.matchAll(VIEW)) keys.add(key);
    last = text.slice(-OVERLAP);
  }
  seen.add(first);
}

/** Does nothing for a process that has ended meanwhile, or is about to. */
async function ofRunning(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ESRCH' && errno !== 'EINVAL') throw error;
  }
}
