import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../errors.ts';
import { decodeRecord, encodeRecord } from './codec.ts';
import type { SnapshotRecord } from './schema.ts';

/** The file beside `fs` in a snapshot's directory that holds a copy of its record. */
export const COPY_NAME = 'record';
/** No record is larger: a message of containerd, which brings its labels, is 16 MiB at most. */
const MAX_BYTES = 64 * 1024 * 1024;

/** What a directory in `snapshots/` says of itself: its record, or why that cannot be read. */
export type FoundCopy = { readonly record: SnapshotRecord } | { readonly unreadable: string };

/** A record as {@link COPY_NAME} holds it: its key in JSON on one line, the stored record on the next. */
export function copyText(record: SnapshotRecord): string {
  return `${JSON.stringify(record.key)}\n${encodeRecord(record)}\n`;
}

/**
 * Copies of records in the directories of their snapshots, from which lost or corrupt metadata is made again. They are not
 * synced, and read only when metadata lacks something: the metadata has the last word.
 */
export class RecordCopies {
  readonly #snapshots: string;

  /** @param options.snapshots the parent of all snapshots' directories. */
  constructor(options: { readonly snapshots: string }) {
    this.#snapshots = options.snapshots;
  }

  /** Puts the copy in place of an older one; a snapshot without a directory gets none. Throws what Node.js throws. */
  write(record: SnapshotRecord): void {
    const file = this.#file(record.id);
    try {
      writeFileSync(`${file}.new`, copyText(record), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  has(id: number): boolean {
    return existsSync(this.#file(id));
  }

  /** What each numbered directory says of itself, by its number. */
  async readAll(): Promise<ReadonlyMap<number, FoundCopy>> {
    const names = (await readdir(this.#snapshots)).filter((name) => /^\d{1,15}$/.test(name));
    return new Map(names.map((name) => [Number(name), this.#read(Number(name))]));
  }

  #read(id: number): FoundCopy {
    const file = this.#file(id);
    try {
      if (statSync(file).size > MAX_BYTES) return { unreadable: 'it is too large' };
      const [key, stored, end] = readFileSync(file, 'utf8').split('\n');
      if (key === undefined || stored === undefined || end !== '') return { unreadable: 'it is cut short' };
      const record = decodeRecord(String(JSON.parse(key)), stored);
      return record.id === id ? { record } : { unreadable: `it is of snapshot ${record.id}` };
    } catch (error) {
      return { unreadable: messageOf(error) };
    }
  }

  #file(id: number): string {
    return join(this.#snapshots, String(id), COPY_NAME);
  }
}
