import { mountsBelow } from '../host/mounts-below.ts';
import { namesIn } from '../host/names-in.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import { type Census, takeCensus } from './census.ts';

export interface HoldingsOptions {
  /** Directory of the GC roots of what was pulled. */
  readonly pulledRoots: string;
  /** Directories that views are mounted below. */
  readonly views: readonly string[];
}

export interface HoldingsDeps {
  readonly store: Pick<MetadataStore, 'list' | 'get' | 'degraded'>;
  readonly isContainer: (record: SnapshotRecord) => boolean;
  readonly roots: { readonly count: number };
  readonly retired: { readonly count: number };
  /** Views that somebody else mounts for this daemon; undefined when it mounts them by itself. */
  readonly helped: { readonly count: number } | undefined;
}

/** GC roots by what they are for. */
export interface RootCounts {
  /** Of snapshots. */
  readonly snapshot: number;
  /** Of what was pulled and has no snapshot yet. */
  readonly pulled: number;
  /** Of snapshots that are gone. */
  readonly retired: number;
}

/** What the daemon holds, counted when somebody asks: in memory, in directories of links, in the kernel's table of mounts. */
export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #deps: HoldingsDeps;

  constructor(options: HoldingsOptions, deps: HoldingsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  census(): Census {
    return takeCensus(this.#deps.store, this.#deps.isContainer);
  }

  async roots(): Promise<RootCounts> {
    const { roots, retired } = this.#deps;
    const pulled = await namesIn(this.#options.pulledRoots);
    return { snapshot: roots.count, pulled: pulled.length, retired: retired.count };
  }

  /** Mounts of views, those for user namespaces too. */
  async viewMounts(): Promise<number> {
    return (await mountsBelow(this.#options.views)) + (this.#deps.helped?.count ?? 0);
  }
}
