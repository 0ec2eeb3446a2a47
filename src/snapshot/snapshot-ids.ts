import type { MetadataStore } from '../metadata/store.ts';

/** Gives out snapshot ids and knows which belong to a snapshot that is still being made. */
export class SnapshotIds {
  readonly #store: MetadataStore;
  readonly #pending = new Set<number>();

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** Runs `make` with a new id, which counts as in use until it ends. */
  async withNew<T>(make: (id: number) => Promise<T>): Promise<T> {
    const id = this.#store.nextId();
    this.#pending.add(id);
    try {
      return await make(id);
    } finally {
      this.#pending.delete(id);
    }
  }

  /** True while snapshots are being made. */
  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /**
   * The ids of all snapshots that are or are being made, and of directories that are kept; undefined when a degraded record hides
   * one, so that nobody can tell what is garbage.
   */
  inUse(): ReadonlySet<number> | undefined {
    const ids = new Set([...this.#pending, ...this.#store.kept()]);
    for (const record of this.#store.list()) ids.add(record.id);
    for (const record of this.#store.degraded()) {
      if (record.id === undefined) return undefined;
      ids.add(record.id);
    }
    return ids;
  }
}
