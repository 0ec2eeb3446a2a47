import { rm } from 'node:fs/promises';
import { Level } from 'level';
import * as v from 'valibot';
import { errnoOf, messageOf } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';
import type { Log } from '../log.ts';

const LayerSchema = v.strictObject({
  digest: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

/** What is remembered of a layer. */
export type LayerSummary = v.InferOutput<typeof LayerSchema>;

export interface DigestCacheOptions {
  readonly directory: string;
  /** How many layers are remembered; about 150 bytes each. */
  readonly entries: number;
}

/**
 * Digests of layers on disk. Nothing depends on it: what is lost or unreadable is computed again, and what does not work is logged
 * and done without. Opened when it is first asked.
 */
export class DigestCache implements AsyncDisposable {
  readonly #options: DigestCacheOptions;
  readonly #log: Log;
  #opened: Promise<Level | undefined> | undefined;
  #count = 0;

  constructor(options: DigestCacheOptions, { log }: { readonly log: Log }) {
    this.#options = options;
    this.#log = log;
  }

  async get(key: string): Promise<LayerSummary | undefined> {
    return await this.#try(async (db) => {
      const text = await db.get(key);
      return text === undefined ? undefined : parse(text);
    });
  }

  async put(key: string, summary: LayerSummary): Promise<void> {
    await this.#try(async (db) => {
      if (this.#count >= this.#options.entries) await this.#makeRoom(db);
      await db.put(key, JSON.stringify(summary));
      this.#count += 1;
    });
  }

  async forget(key: string): Promise<void> {
    await this.#try((db) => db.del(key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const db = await this.#opened;
    this.#opened = Promise.resolve(undefined);
    await db?.close();
  }

  /** Keys begin with hashes, so the first half of them is any half. */
  async #makeRoom(db: Level): Promise<void> {
    await db.clear({ limit: Math.ceil(this.#options.entries / 2) });
    this.#count = (await db.keys().all()).length;
  }

  async #try<T>(work: (db: Level) => Promise<T>): Promise<T | undefined> {
    this.#opened ??= this.#open();
    const db = await this.#opened;
    if (db === undefined) return undefined;
    try {
      return await work(db);
    } catch (error) {
      this.#log.warn(
        { directory: this.#options.directory, error: messageOf(error) },
        'digests of layers are not remembered',
      );
      return undefined;
    }
  }

  async #open(): Promise<Level | undefined> {
    const { directory } = this.#options;
    try {
      return await this.#load();
    } catch (error) {
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      this.#log.warn({ directory, error: messageOf(cause) }, 'the digests of layers cannot be read');
      if (errnoOf(cause) === 'LEVEL_LOCKED') return undefined;
    }
    try {
      await rm(directory, { recursive: true, force: true });
      return await this.#load();
    } catch (error) {
      this.#log.warn({ directory, error: messageOf(error) }, 'digests of layers are not remembered');
      return undefined;
    }
  }

  async #load(): Promise<Level> {
    await makeDirectories(this.#options.directory, 0o700);
    const db: Level = new Level(this.#options.directory, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
    await db.open();
    this.#count = (await db.keys().all()).length;
    return db;
  }
}

function parse(text: string): LayerSummary | undefined {
  try {
    const result = v.safeParse(LayerSchema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
