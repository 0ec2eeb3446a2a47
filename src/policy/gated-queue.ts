import { lstat } from 'node:fs/promises';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf } from '../errors.ts';
import type { RealiseQueue } from '../nix/realise-queue.ts';
import type { NixStore } from '../nix/store.ts';
import type { PolicyGate } from './gate.ts';
import type { AdmittedCall } from './subject.ts';

/** What realises for doors: they say for whom. */
export interface AdmittingQueue
  extends Pick<RealiseQueue, 'keepFound' | 'hurry' | 'describe' | 'inFlight' | 'roots'> {
  /** As {@link RealiseQueue.realise}; also throws what {@link PolicyGate.enter} does. */
  realise(paths: readonly StorePath[], root: string, call?: AdmittedCall): Promise<void>;
  /** As {@link RealiseQueue.realiseForLater}; also throws what {@link PolicyGate.enter} does. */
  realiseForLater(paths: readonly StorePath[], root: string, call?: AdmittedCall): Promise<void>;
}

export interface GatedQueueDeps {
  readonly queue: RealiseQueue;
  readonly gate: Pick<PolicyGate, 'enter'>;
  readonly store: Pick<NixStore, 'removeRoot'>;
}

/** The realise queue behind the policy: what is refused leaves no GC root, and where sizes are known before, nothing is fetched. */
export class GatedQueue implements AdmittingQueue {
  readonly #deps: GatedQueueDeps;

  constructor(deps: GatedQueueDeps) {
    this.#deps = deps;
  }

  async realise(paths: readonly StorePath[], root: string, call: AdmittedCall = {}): Promise<void> {
    await this.#admitted(
      paths,
      root,
      call,
      async (left) => await this.#deps.queue.realise(paths, root, left),
    );
  }

  async realiseForLater(paths: readonly StorePath[], root: string, call: AdmittedCall = {}): Promise<void> {
    const { queue } = this.#deps;
    await this.#admitted(paths, root, call, async (left) => await queue.realiseForLater(paths, root, left));
  }

  keepFound(...found: Parameters<RealiseQueue['keepFound']>): void {
    this.#deps.queue.keepFound(...found);
  }

  hurry(paths: readonly StorePath[]): void {
    this.#deps.queue.hurry(paths);
  }

  describe(paths: readonly StorePath[]): string {
    return this.#deps.queue.describe(paths);
  }

  inFlight(): ReturnType<RealiseQueue['inFlight']> {
    return this.#deps.queue.inFlight();
  }

  roots(): ReadonlySet<string> {
    return this.#deps.queue.roots();
  }

  async #admitted(
    paths: readonly StorePath[],
    root: string,
    { subject = {}, deadlineMs, ...call }: AdmittedCall,
    realise: (call: AdmittedCall) => Promise<void>,
  ): Promise<void> {
    const { gate, queue, store } = this.#deps;
    const started = performance.now();
    const left = (): AdmittedCall => ({
      ...call,
      ...(deadlineMs === undefined
        ? {}
        : { deadlineMs: Math.max(0, deadlineMs - (performance.now() - started)) }),
    });
    const admission = await gate.enter(paths, subject, left());
    try {
      const hadRoot = await isLink(root);
      await realise(left());
      try {
        await admission.confirm(left());
      } catch (error) {
        if (!hadRoot) await store.removeRoot(root);
        throw error;
      }
    } finally {
      // The room is taken as long as somebody fetches, also for a caller that has gone.
      void queue.ended(paths).then(() => admission[Symbol.dispose]());
    }
  }
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
