import { lstat, mkdir, open, readFile, readlink, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { FileState } from './file-change.ts';
import { nixosAdvice } from './nixos.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const STORE = /^\/nix\/store\//;

/** The configuration files of a node, or of a file tree that becomes one. */
export class NodeFiles {
  readonly #rootDir: string;
  readonly #isStore: (path: string) => boolean;

  /** @param options.onlyRead whether files that NixOS makes may be read: nothing is written then. */
  constructor({ rootDir, onlyRead }: { readonly rootDir: string; readonly onlyRead: boolean }) {
    this.#rootDir = rootDir;
    this.#isStore = (path) => !onlyRead && STORE.test(path);
  }

  /** Where a path of the node is for this process. */
  here(path: string): string {
    return join(this.#rootDir, path);
  }

  /**
   * Reads a text file; undefined when there is none.
   *
   * @throws StatusError FailedPrecondition naming the path when it is something else than a file with text, or NixOS's.
   */
  async read(path: string): Promise<FileState | undefined> {
    try {
      await this.#refuseOutside(path);
      const real = await this.#target(path);
      const { mode, size } = await stat(real);
      if (size > MAX_BYTES)
        throw new StatusError('FailedPrecondition', `${path} is larger than ${MAX_BYTES} bytes`);
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(real));
      return { text, mode: mode & 0o7777 };
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
      throw notUsable(path, error);
    }
  }

  /**
   * Writes a file whole or not at all: a temporary file beside it takes its name.
   *
   * @returns the directories that were made, outermost first.
   * @throws StatusError FailedPrecondition naming the path.
   */
  async write(path: string, { text, mode }: FileState): Promise<readonly string[]> {
    const made: string[] = [];
    try {
      await this.#refuseOutside(path);
      for (const directory of ancestors(path)) {
        if (await this.#makeDirectory(directory)) made.push(directory);
      }
      const real = await this.#target(path);
      await replace(real, text, mode);
      return made;
    } catch (error) {
      await this.removeDirectories(made);
      throw notUsable(path, error);
    }
  }

  /** Removes a file; none is fine. */
  async remove(path: string): Promise<void> {
    try {
      await this.#refuseOutside(path);
      await rm(this.here(path), { force: true });
    } catch (error) {
      throw notUsable(path, error);
    }
  }

  /** Removes those of these directories that are empty, innermost first. */
  async removeDirectories(paths: readonly string[]): Promise<void> {
    for (const path of paths.toReversed()) {
      try {
        await this.#refuseOutside(path);
        await rmdir(this.here(path));
      } catch (error) {
        if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(errnoOf(error) ?? ''))
          throw notUsable(path, error);
      }
    }
  }

  async #makeDirectory(path: string): Promise<boolean> {
    try {
      await mkdir(this.here(path), { mode: 0o755 });
      return true;
    } catch (error) {
      // A read-only file system says EROFS of a directory that is there, too.
      if ((await stat(this.here(path)).catch(() => undefined))?.isDirectory() === true) return false;
      throw error;
    }
  }

  /** Below another top than `/` no link may lead out of it: the files there are this host's. */
  async #refuseOutside(path: string): Promise<void> {
    if (this.#rootDir === '/') return;
    const top = await realpath(this.#rootDir);
    for (const part of [...ancestors(path), path]) {
      const real = await realpath(this.here(part)).catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return undefined;
        throw error;
      });
      if (real === undefined) return;
      if (real === top || real.startsWith(top === '/' ? top : `${top}/`)) continue;
      const link = await readlink(this.here(part));
      if (this.#isStore(link)) throw new StatusError('FailedPrecondition', nixosAdvice(path, link));
      const itself = part === path ? '' : ` lies below ${part}, which`;
      throw new StatusError(
        'FailedPrecondition',
        `${path}${itself} is a link to ${link}, out of ${this.#rootDir}; make it a relative link to a place below that, then run setup again`,
      );
    }
  }

  /** The file that a path leads to, by links too, but not into the Nix store. */
  async #target(path: string): Promise<string> {
    const file = this.here(path);
    const parent = await realpath(dirname(file));
    if (this.#isStore(parent)) throw new StatusError('FailedPrecondition', nixosAdvice(path, parent));
    const found = await lstat(file).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined || found.isFile()) return file;
    if (!found.isSymbolicLink()) {
      const what = found.isDirectory() ? 'a directory' : 'not a file';
      throw new StatusError('FailedPrecondition', `${path} is ${what}; move it away, then run setup again`);
    }
    const link = await readlink(file);
    if (this.#isStore(link)) throw new StatusError('FailedPrecondition', nixosAdvice(path, link));
    const real = await realpath(file).catch((error: unknown) => {
      if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) throw error;
      throw new StatusError(
        'FailedPrecondition',
        `${path} is a link to ${link}, where nothing is; remove it, then run setup again`,
      );
    });
    if (this.#isStore(real)) throw new StatusError('FailedPrecondition', nixosAdvice(path, real));
    if (!(await stat(real)).isFile())
      throw new StatusError('FailedPrecondition', `${path} is a link to ${real}, which is not a file`);
    return real;
  }
}

async function replace(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  const owner = await stat(file).catch(() => undefined);
  try {
    await using handle = await open(draft, 'wx', mode);
    await handle.writeFile(text);
    await handle.chmod(mode);
    if (owner !== undefined && process.getuid?.() === 0) await handle.chown(owner.uid, owner.gid);
    await handle.sync();
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

function ancestors(path: string): readonly string[] {
  const above = dirname(path);
  return above === '/' || above === '.' ? [] : [...ancestors(above), above];
}

function notUsable(path: string, cause: unknown): StatusError {
  if (cause instanceof StatusError) return cause;
  if (cause instanceof TypeError)
    return new StatusError(
      'FailedPrecondition',
      `${path} is not UTF-8 text; repair it, then run setup again`,
      { cause },
    );
  const hints: Readonly<Record<string, string>> = {
    EROFS: '; on a read-only system put what "setup --print" shows there where its configuration is made',
    EACCES: '; run setup as root',
    EPERM: '; run setup as root',
  };
  const hint = hints[errnoOf(cause) ?? ''] ?? '';
  return new StatusError('FailedPrecondition', `${path}: ${messageOf(cause)}${hint}`, { cause });
}
