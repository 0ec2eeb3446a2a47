import { parseLayerAnnotations } from '../closure/annotations.ts';
import { LAYERED_CLOSURE_ANNOTATION } from '../closure/layered.ts';
import { recoverClosure } from '../closure/recover.ts';
import type { Log } from '../log.ts';
import type { SnapshotRecord, StoredClosure } from '../metadata/schema.ts';
import { scanLayer } from './scan-layer.ts';
import type { Layout } from './layout.ts';

export interface RecoveryDeps {
  readonly layout: Layout;
  readonly log: Log;
}

/** Finds out at Commit which closure a layer has. */
export class ClosureRecovery {
  readonly #enabled: boolean;
  readonly #deps: RecoveryDeps;

  constructor(options: { readonly enabled: boolean }, deps: RecoveryDeps) {
    this.#enabled = options.enabled;
    this.#deps = deps;
  }

  /**
   * The closure that the labels of Commit or of Prepare name; else, for a layer whose annotations the client dropped, the
   * one its mount points show. Must stay in milliseconds: containerd holds its global lock.
   *
   * @throws StatusError InvalidArgument for a label that names no store path.
   */
  closureAtCommit(active: SnapshotRecord, labels: ReadonlyMap<string, string>): StoredClosure | undefined {
    const named = parseLayerAnnotations(labels);
    if (named !== undefined) return { closure: named, source: 'label' };
    if (active.closure !== undefined) return active.closure;
    // A layer that says that it holds store paths is what was unpacked, and nothing else.
    if (!this.#enabled || labels.has(LAYERED_CLOSURE_ANNOTATION)) return undefined;
    const recovered = recoverClosure(scanLayer(this.#deps.layout.fs(active.id)));
    if (recovered === undefined) return undefined;
    this.#deps.log.info(
      { key: active.key, paths: recovered.kind === 'paths' ? recovered.paths.length : 1 },
      'recovered the closure of a layer whose annotations were dropped',
    );
    return { closure: recovered, source: 'recovered' };
  }
}
