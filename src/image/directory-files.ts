import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { errnoOf } from '../errors.ts';
import { type FileSet, missing } from './file-set.ts';

/** Where a file is, its links followed; undefined when there is none. */
export type Locate = (file: string) => Promise<string | undefined>;

/** The files of an OCI layout directory. Links are followed: a layout made by Nix may hold links to the store. */
export class DirectoryFiles implements FileSet {
  readonly path: string;
  readonly #locate: Locate;

  /** @param locate follows links; the kernel does, wherever they lead, unless told. */
  constructor(path: string, locate: Locate = async (file) => file) {
    this.path = path;
    this.#locate = locate;
  }

  async size(name: string): Promise<number | undefined> {
    return (await this.#find(name))?.size;
  }

  async open(name: string, start = 0): Promise<Readable> {
    const found = await this.#find(name);
    if (found === undefined) throw missing(this.path, name);
    return createReadStream(found.file, { start });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #find(name: string): Promise<{ readonly file: string; readonly size: number } | undefined> {
    if (!isSafeName(name)) return undefined;
    try {
      const file = await this.#locate(join(this.path, name));
      const info = file === undefined ? undefined : await stat(file);
      return file !== undefined && info?.isFile() === true ? { file, size: info.size } : undefined;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }
}

function isSafeName(name: string): boolean {
  return name
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
}
