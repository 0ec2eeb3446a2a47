/**
 * Learns which names containerd knows. Its API shows none that this snapshotter lacks, but it asks for each by Stat when it lists its
 * snapshots (containerd `core/metadata/snapshot.go`, Walk).
 */
export class AskedNames {
  readonly #listeners = new Set<Map<string, boolean>>();

  /** True while somebody listens: a name whose record cannot be read is answered as absent then, for containerd ends its list there. */
  get listening(): boolean {
    return this.#listeners.size > 0;
  }

  note(name: string, isThere: boolean): void {
    for (const names of this.#listeners) names.set(name, isThere);
  }

  /** The names that are asked for while `work` goes on, and whether there was such a snapshot then. */
  async during(work: () => Promise<void>): Promise<ReadonlyMap<string, boolean>> {
    const names = new Map<string, boolean>();
    this.#listeners.add(names);
    try {
      await work();
      return names;
    } finally {
      this.#listeners.delete(names);
    }
  }
}
