import type { Config } from '../config/schema.ts';
import type { Log } from '../log.ts';
import type { ObservedMetrics } from '../metrics/observed.ts';
import { nixOptions } from '../nix/configured.ts';
import { type OpenNixStore, openNixStore } from '../nix/open-store.ts';
import { RealiseQueue, type RealiseQueueDeps } from '../nix/realise-queue.ts';

export interface NixDeps {
  /** Undefined where nobody asks for metrics. */
  readonly observed: ObservedMetrics | undefined;
  readonly isNeeded: RealiseQueueDeps['isNeeded'];
  readonly log: Log;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** The host's store, and the queue that realises in it, before any policy. */
export interface Nix {
  readonly nix: OpenNixStore;
  readonly ungated: RealiseQueue;
}

/** Opens the store; starts no process and connects to nothing. */
export function openNix(config: Config, { observed, isNeeded, log, undo }: NixDeps): Nix {
  const onCollection = observed?.collection.bind(observed);
  const nix = undo.use(openNixStore(nixOptions(config), { log, env: process.env, onCollection }));
  const ungated = new RealiseQueue(
    {
      concurrency: config.nix.concurrency,
      long: config.nix.concurrency,
      maxWaiting: config.nix.max_waiting,
      graceMs: config.gc.grace,
    },
    { store: nix, log, observer: observed?.observer('realise'), isNeeded },
  );
  undo.defer(() => ungated.close());
  return { nix, ungated };
}
