import { type Dirent, constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { HELD_STORE_MODE } from '../closure/recover.ts';
import { STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { encodeHeader, paddingOf, tarOf, type TarMemberHeader } from '../closure/tar-member.ts';
import { messageOf, StatusError } from '../errors.ts';

/** What Nix gives everything in a store: files 0444 or 0555, directories 0555, time 1. Source: Nix manual, "Store Object". */
const MODE = { directory: 0o555, symlink: 0o777, executable: 0o555, plain: 0o444 } as const;
const MTIME = 1;
const OWNER_EXECUTE = 0o100;
/** So much is handed on at a time, in bytes. */
const CHUNK = 256 * 1024;
/** Files up to this size are read whole, so many ahead of the one whose turn it is. */
const SMALL_FILE = 64 * 1024;
const AHEAD = 8;

/** One file or link, read as far as it goes at once. */
interface Loaded extends AsyncDisposable {
  readonly blocks: readonly Buffer[];
  /** The content of a large file, still to be read. */
  readonly rest?: { readonly file: FileHandle; readonly size: number; readonly path: string };
}

/**
 * The tar of store paths as a layer has them, in chunks: `nix`, `nix/store`, then each path with all that is in it, sorted by
 * bytes. Nothing in it depends on the machine: owner 0:0, time 1, the modes of a store, no hard links, no extended attributes;
 * PAX headers for what a plain header cannot hold. Reads while it is read from, a few files ahead; leaves no file open when it is
 * given up.
 *
 * @param paths valid ones.
 * @throws StatusError DataLoss naming the path that cannot be read, or is none that Nix makes.
 */
export function storeTar(paths: readonly StorePath[], realStoreDir: string): AsyncGenerator<Buffer, void> {
  return tarOf(storeBlocks(paths, realStoreDir));
}

async function* storeBlocks(paths: readonly StorePath[], realStoreDir: string): AsyncGenerator<Buffer, void> {
  yield* blocksOf({ path: 'nix', kind: 'directory', mode: 0o755 });
  yield* blocksOf({ path: STORE_DIR.slice(1), kind: 'directory', mode: HELD_STORE_MODE });
  const tree = new Tree(realStoreDir);
  for (const path of paths.toSorted()) yield* tree.walk(path.slice(1), await tree.kindOf(path));
}

function blocksOf(member: TarMemberHeader, size = 0): readonly Buffer[] {
  return encodeHeader({ ...member, mtime: MTIME, encoding: 'latin1' }, size);
}

type Kind = 'directory' | 'file' | 'symlink';

/** Names are kept as latin1, one character a byte: any bytes but `/` and NUL are a name. */
class Tree {
  readonly #realStoreDir: string;

  constructor(realStoreDir: string) {
    this.#realStoreDir = Buffer.from(realStoreDir).toString('latin1');
  }

  async kindOf(path: StorePath): Promise<Kind> {
    const real = this.#real(path.slice(1));
    try {
      return kindOf(await lstat(real), path);
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  async *walk(path: string, kind: Kind): AsyncGenerator<Buffer, void> {
    if (kind !== 'directory') {
      yield* this.#files([{ path, kind }]);
      return;
    }
    yield* blocksOf({ path, kind, mode: MODE.directory });
    // What lies between two directories is read ahead; nothing is open while one goes down.
    let files: { path: string; kind: 'file' | 'symlink' }[] = [];
    for (const dirent of await this.#list(path)) {
      const below = `${path}/${dirent.name.toString('latin1')}`;
      const kindBelow = kindOf(dirent, below);
      if (kindBelow !== 'directory') files.push({ path: below, kind: kindBelow });
      else {
        yield* this.#files(files);
        files = [];
        yield* this.walk(below, kindBelow);
      }
    }
    yield* this.#files(files);
  }

  async *#files(
    files: readonly { readonly path: string; readonly kind: 'file' | 'symlink' }[],
  ): AsyncGenerator<Buffer, void> {
    const ahead: Promise<Loaded>[] = [];
    try {
      for (let at = 0; at < files.length; at++) {
        for (const { path, kind } of files.slice(at + ahead.length, at + AHEAD)) {
          const loading = kind === 'file' ? this.#loadFile(path) : this.#loadLink(path);
          // It is awaited in its turn, or when the walk is given up.
          loading.catch(() => {});
          ahead.push(loading);
        }
        await using loaded = await (ahead.shift() as Promise<Loaded>);
        yield* loaded.blocks;
        if (loaded.rest !== undefined) yield* readAll(loaded.rest);
      }
    } finally {
      for (const given of await Promise.allSettled(ahead))
        if (given.status === 'fulfilled') await given.value[Symbol.asyncDispose]();
    }
  }

  async #loadFile(path: string): Promise<Loaded> {
    let file: FileHandle | undefined;
    try {
      file = await open(this.#real(path), constants.O_RDONLY | constants.O_NOFOLLOW);
      const stats = await file.stat();
      kindOf(stats, path);
      const { size } = stats;
      const mode = (stats.mode & OWNER_EXECUTE) === 0 ? MODE.plain : MODE.executable;
      const header = blocksOf({ path, kind: 'file', mode }, size);
      if (size > SMALL_FILE) {
        const kept = file;
        file = undefined;
        const rest = { file: kept, size, path };
        return { blocks: header, rest, [Symbol.asyncDispose]: () => kept.close() };
      }
      const content = Buffer.allocUnsafe(size);
      const { bytesRead } = size === 0 ? { bytesRead: 0 } : await file.read(content, 0, size, 0);
      if (bytesRead < size) throw new Error(`it has ${bytesRead} bytes instead of ${size}`);
      return { blocks: [...header, content, paddingOf(size)], async [Symbol.asyncDispose]() {} };
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      await file?.close();
    }
  }

  async #loadLink(path: string): Promise<Loaded> {
    try {
      const target = (await readlink(this.#real(path), { encoding: 'buffer' })).toString('latin1');
      const blocks = blocksOf({ path, kind: 'symlink', mode: MODE.symlink, target });
      return { blocks, async [Symbol.asyncDispose]() {} };
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  async #list(path: string): Promise<Dirent<Buffer>[]> {
    try {
      const dirents = await readdir(this.#real(path), { withFileTypes: true, encoding: 'buffer' });
      return dirents.toSorted((a, b) => Buffer.compare(a.name, b.name));
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  #real(path: string): Buffer {
    return Buffer.from(this.#realStoreDir + path.slice(STORE_DIR.length - 1), 'latin1');
  }
}

async function* readAll({ file, size, path }: NonNullable<Loaded['rest']>): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < size; ) {
    const length = Math.min(CHUNK, size - at);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) throw unreadable(path, new Error(`it has ${at} bytes instead of ${size}`));
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
  yield paddingOf(size);
}

function kindOf(entry: Dirent<Buffer> | Stats, path: string): Kind {
  if (entry.isDirectory()) return 'directory';
  if (entry.isFile()) return 'file';
  if (entry.isSymbolicLink()) return 'symlink';
  throw unreadable(path, new Error('neither a file nor a directory nor a link'));
}

function unreadable(path: string, cause: unknown): StatusError {
  if (cause instanceof StatusError) return cause;
  const shown = Buffer.from(path, 'latin1')
    .toString('utf8')
    .replace(/^(?!\/)/, '/');
  const [, , , name] = shown.split('/');
  return new StatusError(
    'DataLoss',
    `${shown}: cannot be read: ${messageOf(cause)}; the store is damaged: nix-store --verify-path ${STORE_DIR}/${name ?? ''}`,
    { cause },
  );
}
