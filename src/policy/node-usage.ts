import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { errnoOf, StatusError } from '../errors.ts';
import type { Measures } from '../nix/measure.ts';

export interface NodeUsageOptions {
  /** Directories of the GC roots that are ours. */
  readonly directories: readonly string[];
}

/** Which store paths our GC roots keep, with their NAR bytes. */
export class NodeUsage {
  readonly #directories: readonly string[];
  readonly #store: Measures;
  /** What was found last, and for which targets. */
  #targets: ReadonlySet<StorePath> = new Set();
  #sizes: Map<StorePath, number> = new Map();

  constructor(options: NodeUsageOptions, { store }: { readonly store: Measures }) {
    this.#directories = options.directories;
    this.#store = store;
  }

  /** Each path once. Asks Nix about new roots only, about all when one has gone. */
  async sizes(): Promise<ReadonlyMap<StorePath, number>> {
    const targets = await this.#rooted();
    const known = this.#targets;
    const isGrown = [...known].every((target) => targets.has(target));
    const asked = isGrown ? [...targets].filter((target) => !known.has(target)) : [...targets];
    const { present } = await this.#store.measure(asked, { local: true });
    const sizes = new Map([...(isGrown ? this.#sizes : []), ...present]);
    this.#targets = targets;
    this.#sizes = sizes;
    return sizes;
  }

  async #rooted(): Promise<ReadonlySet<StorePath>> {
    const targets = new Set<StorePath>();
    for (const directory of this.#directories) {
      for (const name of await unlessGone(readdir(directory), [])) {
        const target = parseStorePath(await unlessGone(readlink(join(directory, name)), ''));
        if (target !== undefined) targets.add(target);
      }
    }
    return targets;
  }
}

/** A root goes at any moment, and what is no link is none. */
async function unlessGone<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(errnoOf(error) ?? '')) return otherwise;
    throw new StatusError('Internal', 'the GC roots cannot be read', { cause: error });
  }
}
