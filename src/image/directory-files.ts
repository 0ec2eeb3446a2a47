import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { errnoOf } from '../errors.ts';
import { type FileSet, missing } from './file-set.ts';

/** The files of an OCI layout directory. Links are followed: a layout made by Nix may hold links to the store. */
export class DirectoryFiles implements FileSet {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async size(name: string): Promise<number | undefined> {
    if (!isSafeName(name)) return undefined;
    try {
      const info = await stat(join(this.path, name));
      return info.isFile() ? info.size : undefined;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  async open(name: string, start = 0): Promise<Readable> {
    if ((await this.size(name)) === undefined) throw missing(this.path, name);
    return createReadStream(join(this.path, name), { start });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function isSafeName(name: string): boolean {
  return name
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
}
