import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { messageOf, StatusError } from '../errors.ts';
import { headerMode, ownerHeader } from './perms.ts';
import type { RootEntry } from './root-links.ts';
import type { StoreFiles } from './store-files.ts';

const MTIME = new Date(0);
const ROOT = { uid: 0, gid: 0 };
const MODE = { directory: 0o755, symlink: 0o777 } as const;

/**
 * The tar of what is shown at a container's root: directories and links, and, where an entry has an owner, the file or link itself
 * that it leads to. Same entries and store, same bytes.
 *
 * @returns fails with StatusError DataLoss for what cannot be read.
 */
export function rootTar(entries: readonly RootEntry[], store: StoreFiles): Readable {
  const tar = pack();
  write(entries, store, tar).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(messageOf(error))),
  );
  return tar as unknown as Readable;
}

async function write(entries: readonly RootEntry[], store: StoreFiles, tar: Pack): Promise<void> {
  for (const { path, entry, ownership } of entries) {
    const common = { ...ownerHeader(ownership ?? ROOT), name: path, mtime: MTIME };
    if (entry.kind === 'directory') {
      tar.entry({
        ...common,
        name: `${path}/`,
        type: 'directory',
        mode: headerMode(ownership?.mode ?? MODE.directory),
      });
    } else if (entry.kind === 'symlink') {
      const header = { ...common, type: 'symlink', mode: MODE.symlink, linkname: entry.target } as const;
      if (ownership === undefined) tar.entry(header);
      else await writeContent(header, ownership.mode, store.hostPath(entry.target), tar);
    }
  }
}

/** The file or link at `file` under the name and owner of a header. */
async function writeContent(
  header: { readonly name: string; readonly linkname: string; readonly mode: number; readonly mtime: Date },
  mode: number | undefined,
  file: string,
  tar: Pack,
): Promise<void> {
  try {
    const stats = await lstat(file);
    if (stats.isSymbolicLink()) {
      tar.entry({ ...header, type: 'symlink', linkname: await readlink(file) });
      return;
    }
    await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = await handle.stat();
    const { linkname: _, ...common } = header;
    const member = tar.entry({
      ...common,
      type: 'file',
      mode: headerMode(mode ?? stats.mode & 0o7777),
      size,
    });
    await pipeline(handle.createReadStream({ autoClose: false }), member);
  } catch (cause) {
    throw new StatusError('DataLoss', `${file}: cannot be read: ${messageOf(cause)}`, { cause });
  }
}
