import type { DegradedRecord, SnapshotRecord } from './schema.ts';
import type { Change, MetadataStore } from './store.ts';

/** What a {@link MemoryStore} starts with. */
export interface InitialState {
  readonly records?: Iterable<SnapshotRecord>;
  readonly degraded?: Iterable<DegradedRecord>;
  readonly kept?: Iterable<number>;
  /** No id up to this one is given out. */
  readonly lastId?: number;
}

/** The metadata in memory: the read side of the LevelDB store, and a store of its own in tests. */
export class MemoryStore implements MetadataStore {
  readonly #records = new Map<string, SnapshotRecord>();
  readonly #degraded = new Map<string, DegradedRecord>();
  readonly #children = new Map<string, number>();
  readonly #kept: Set<number>;
  #lastId: number;

  constructor(initial: InitialState = {}) {
    this.#lastId = initial.lastId ?? 0;
    this.#kept = new Set(initial.kept);
    for (const record of initial.records ?? []) this.#put(record);
    for (const record of initial.degraded ?? []) {
      this.#degraded.set(record.key, record);
      this.#lastId = Math.max(this.#lastId, record.id ?? 0);
    }
  }

  get(key: string): SnapshotRecord | undefined {
    return this.#records.get(key);
  }

  list(): readonly SnapshotRecord[] {
    return [...this.#records.values()];
  }

  hasChildren(key: string): boolean {
    return this.#children.has(key);
  }

  degraded(): readonly DegradedRecord[] {
    return [...this.#degraded.values()];
  }

  kept(): ReadonlySet<number> {
    return this.#kept;
  }

  /** Adds to {@link kept}. */
  keep(ids: readonly number[]): void {
    for (const id of ids) this.#kept.add(id);
  }

  forget(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#kept.delete(id);
    return Promise.resolve();
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  apply(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      if (change.type === 'put') this.#put(change.record);
      else this.#delete(change.key);
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #put(record: SnapshotRecord): void {
    this.#delete(record.key);
    this.#records.set(record.key, record);
    this.#count(record.parent, 1);
    this.#lastId = Math.max(this.#lastId, record.id);
  }

  #delete(key: string): void {
    this.#degraded.delete(key);
    const record = this.#records.get(key);
    if (record === undefined) return;
    this.#records.delete(key);
    this.#count(record.parent, -1);
  }

  #count(parent: string, by: number): void {
    if (parent === '') return;
    const count = (this.#children.get(parent) ?? 0) + by;
    if (count === 0) this.#children.delete(parent);
    else this.#children.set(parent, count);
  }
}
