import type { Dirent, Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import pLimit from 'p-limit';
import type { LayerEntry, StoreEntry } from '../closure/nix-layer.ts';
import { parseStorePath, STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { RootTree } from './root-links.ts';

const MAX_LINKS = 40;

/** Reads the store of this machine, which containers see as `/nix/store`. */
export class StoreFiles {
  readonly realStoreDir: string;

  /** @param options.realStoreDir the directory that holds what containers see as `/nix/store`. */
  constructor(options: { realStoreDir: string }) {
    this.realStoreDir = options.realStoreDir;
  }

  /** Kinds of store paths. @throws StatusError NotFound naming the paths that are not in the store. */
  async kinds(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, StoreEntry>> {
    const limit = pLimit(16);
    const found = await Promise.all(paths.map((path) => limit(() => this.#entry(path))));
    const absent = paths.filter((_path, i) => found[i] === undefined);
    if (absent.length > 0) {
      const more = absent.length > 5 ? ` and ${absent.length - 5} more` : '';
      throw new StatusError(
        'NotFound',
        `not in the store: ${absent.slice(0, 5).join(', ')}${more}: build or fetch them first (nix-store --realise)`,
      );
    }
    return new Map(paths.map((path, i) => [path, found[i] ?? { kind: 'directory' }]));
  }

  /**
   * All entries below a store path.
   *
   * @throws StatusError InvalidArgument when it is no directory, or a name in it is not UTF-8 (a tar entry could
   *   not carry it unchanged on every reader).
   */
  async tree(from: StorePath): Promise<RootTree> {
    const entry = (await this.kinds([from])).get(from);
    if (entry?.kind !== 'directory') {
      throw new StatusError(
        'InvalidArgument',
        `${from}: copy-to-root takes directories, this is a ${entry?.kind}`,
      );
    }
    const entries: LayerEntry[] = [];
    await this.#walk(from, '', entries);
    return { from, entries };
  }

  /** Where a file of the container is on this host, links followed inside the store; undefined without one. */
  async realFile(path: string): Promise<string | undefined> {
    const file = await this.#resolve(path);
    return file === undefined ? undefined : this.hostPath(file);
  }

  /** The first `length` bytes of a file given by its path in the container, links followed; undefined without one. */
  async head(path: string, length: number): Promise<Buffer | undefined> {
    const real = await this.realFile(path);
    if (real === undefined) return undefined;
    const file = await open(real, 'r');
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** The paths of the files and links in `bin` of a store path, sorted, at most 20; of a file path, itself. */
  async programs(root: StorePath): Promise<readonly string[]> {
    const entry = await this.#entry(root);
    if (entry === undefined || entry.kind !== 'directory') return [root];
    if ((await this.#entry(`${root}/bin`))?.kind !== 'directory') return [];
    const names = (await this.#list(`${root}/bin`)).map((dirent) => dirent.name.toString('utf8')).toSorted();
    return names.slice(0, 20).map((name) => `${root}/bin/${name}`);
  }

  /** A path in the store with every link followed inside the store: a regular file, else undefined. */
  async #resolve(path: string): Promise<string | undefined> {
    let parts = path.split('/').filter((part) => part !== '');
    if (parts.some((part) => part === '.' || part === '..' || part.includes('\0'))) return undefined;
    let links = 0;
    for (let done = 2; done < parts.length; done++) {
      const at = `/${parts.slice(0, done + 1).join('/')}`;
      if (!at.startsWith(`${STORE_DIR}/`)) return undefined;
      const entry = await this.#entry(at);
      if (entry === undefined) return undefined;
      if (entry.kind !== 'symlink') continue;
      if (++links > MAX_LINKS) return undefined;
      const base = entry.target.startsWith('/') ? [] : parts.slice(0, done);
      parts = normal([...base, ...entry.target.split('/'), ...parts.slice(done + 1)]);
      done = 1;
    }
    const final = `/${parts.join('/')}`;
    return (await this.#entry(final))?.kind === 'file' ? final : undefined;
  }

  async #walk(from: StorePath, below: string, entries: LayerEntry[]): Promise<void> {
    const dir = below === '' ? from : `${from}/${below}`;
    for (const dirent of await this.#list(dir)) {
      const name = dirent.name.toString('utf8');
      if (!Buffer.from(name).equals(dirent.name)) {
        throw new StatusError('InvalidArgument', `${dir}: the name ${JSON.stringify(name)} is not UTF-8`);
      }
      const path = below === '' ? name : `${below}/${name}`;
      if (dirent.isDirectory()) {
        entries.push({ path, entry: { kind: 'directory' } });
        await this.#walk(from, path, entries);
      } else {
        entries.push({ path, entry: { kind: 'file' } });
      }
    }
  }

  async #list(dir: string): Promise<Dirent<Buffer>[]> {
    try {
      return await readdir(this.hostPath(dir), { withFileTypes: true, encoding: 'buffer' });
    } catch (cause) {
      throw new StatusError('Internal', `${dir}: cannot be read: ${messageOf(cause)}`, { cause });
    }
  }

  async #entry(path: string): Promise<StoreEntry | undefined> {
    const real = this.hostPath(path);
    let info: Stats;
    try {
      info = await lstat(real);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
    if (info.isDirectory()) return { kind: 'directory' };
    if (info.isSymbolicLink()) return { kind: 'symlink', target: await readlink(real) };
    if (info.isFile()) return { kind: 'file' };
    throw new StatusError(
      'DataLoss',
      `${path}: neither a file nor a directory nor a link: no store path has such`,
    );
  }

  /** Where a path below `/nix/store` is on this host; links are not followed. */
  hostPath(path: string): string {
    return this.realStoreDir + path.slice(STORE_DIR.length);
  }
}

/** The store path that a path lies in (or is); undefined outside the store. */
export function storePathOf(path: string): StorePath | undefined {
  if (!path.startsWith(`${STORE_DIR}/`)) return undefined;
  const name = path.slice(STORE_DIR.length + 1).split('/')[0] ?? '';
  return parseStorePath(`${STORE_DIR}/${name}`);
}

function normal(parts: readonly string[]): string[] {
  const result: string[] = [];
  for (const part of parts) {
    if (part === '..') result.pop();
    else if (part !== '' && part !== '.') result.push(part);
  }
  return result;
}
