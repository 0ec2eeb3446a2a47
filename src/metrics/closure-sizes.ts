import type { LayerClosure } from '../closure/annotations.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { MetadataStore } from '../metadata/store.ts';
import { viewKey } from '../view/overlay/fingerprint.ts';
import { METRICS } from './definitions.ts';
import { type Family, Histogram } from './samples.ts';

export interface ClosureSizesDeps {
  readonly store: Pick<MetadataStore, 'list'>;
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  readonly log: Log;
}

/** How many store paths closures have: each is counted once, one after the other, behind a scrape. */
export class ClosureSizes implements AsyncDisposable {
  readonly #deps: ClosureSizesDeps;
  readonly #paths = new Histogram(METRICS.closurePaths);
  /** Of closures that snapshots name. */
  #counted: ReadonlySet<string> = new Set();
  #counting: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: ClosureSizesDeps) {
    this.#deps = deps;
  }

  /** What is known by now; closures that are new are counted for the next time. */
  family(): Family {
    this.#counting ??= this.#count().finally(() => (this.#counting = undefined));
    return this.#paths.family();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#counting;
  }

  async #count(): Promise<void> {
    const counted = new Set<string>();
    for (const { closure: stored } of this.#deps.store.list()) {
      if (this.#isClosed) return;
      if (stored === undefined) continue;
      const key = viewKey(stored.closure);
      if (counted.has(key)) continue;
      if (this.#counted.has(key) || (await this.#countOne(stored.closure))) counted.add(key);
    }
    this.#counted = counted;
  }

  async #countOne(closure: LayerClosure): Promise<boolean> {
    const { closures, log } = this.#deps;
    try {
      this.#paths.observe((await closures.pathsOf(closure)).length, {});
      return true;
    } catch (error) {
      // It may be there the next time: a realise goes on.
      log.debug({ error: messageOf(error) }, 'the list of a closure cannot be read');
      return false;
    }
  }
}
