import assert from 'node:assert/strict';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { RealiseQueue, type RealiseQueueOptions } from '../../../src/nix/realise-queue.ts';
import type { NixStore, RealiseOptions, ReferenceGraph } from '../../../src/nix/store.ts';

export const A = '/nix/store/00000000000000000000000000000000-a' as StorePath;
export const B = '/nix/store/11111111111111111111111111111111-b' as StorePath;

export interface Call {
  readonly paths: readonly StorePath[];
  readonly root: string;
  readonly options: RealiseOptions;
  finish(): void;
  fail(error: Error): void;
}

/** A store whose realises end when the test says so, or when they are stopped. */
export class HeldStore implements NixStore {
  realStoreDir = () => Promise.resolve('/nix/store');
  readonly calls: Call[] = [];
  readonly roots = new Set<string>();
  /** What is there already. */
  readonly there = new Set<string>();

  /** The realise that was started as number `index`. */
  call(index: number): Call {
    const found = this.calls[index];
    assert.ok(found, `realise number ${index} was not started`);
    return found;
  }

  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    if (!this.there.has(paths[0] ?? '')) await options.mayFetch?.();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    options.signal?.addEventListener('abort', () => reject(new StatusError('Cancelled', 'stopped')));
    const finish = (): void => {
      this.roots.add(root);
      resolve();
    };
    this.calls.push({ paths, root, options, finish, fail: reject });
    await promise;
  }

  removeRoot(root: string): Promise<void> {
    this.roots.delete(root);
    return Promise.resolve();
  }

  valid(): Promise<ReadonlySet<StorePath>> {
    return Promise.resolve(new Set());
  }

  closure(): Promise<readonly StorePath[]> {
    return Promise.resolve([]);
  }

  references(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  referenceGraph(): Promise<ReferenceGraph> {
    return Promise.resolve(new Map());
  }
}

/** Store paths that begin with digits from one on. */
export function numbered(count: number, first: string): readonly StorePath[] {
  return Array.from(
    { length: count },
    (_, index) => `/nix/store/${String(Number(first) + index).repeat(32)}-x` as StorePath,
  );
}

/** Lets everything that can go on without a timer or an event go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** How long {@link queueOn} keeps the root of a caller that gave up, in milliseconds. */
export const GRACE = 60_000;

/** A queue on a store: two fetch at a time, long ones too, unless told. */
export function queueOn(store: HeldStore, options: Partial<RealiseQueueOptions> = {}): RealiseQueue {
  const defaults = { concurrency: 2, long: 0, maxWaiting: 100, graceMs: GRACE };
  return new RealiseQueue({ ...defaults, ...options }, { store, log: silentLog });
}
