import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { recoverClosure } from '../closure/recover.ts';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SnapshotRecord, StoredClosure } from '../metadata/schema.ts';
import { scanLayer } from './scan-layer.ts';
import type { Layout } from './layout.ts';

export interface RecoveryDeps {
  readonly layout: Layout;
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  readonly log: Log;
}

/**
 * Finds out at Commit which closure a layer has. What was unpacked decides: a snapshot belongs to every image that has this layer, and
 * the annotations are those of one manifest, which anybody may have written.
 */
export class ClosureRecovery {
  readonly #enabled: boolean;
  readonly #deps: RecoveryDeps;

  constructor(options: { readonly enabled: boolean }, deps: RecoveryDeps) {
    this.#enabled = options.enabled;
    this.#deps = deps;
  }

  /**
   * The closure that the labels of Commit or of Prepare name, which the layer's marker or mount points must show too; for a layer
   * whose annotations the client dropped, the one that these show. Must stay in milliseconds: containerd holds its global lock.
   *
   * @throws StatusError InvalidArgument for a label that names no store path, or a closure that is not the layer's; FailedPrecondition
   *   when it takes a list to tell that is not on this host.
   */
  async closureAtCommit(
    active: SnapshotRecord,
    labels: ReadonlyMap<string, string>,
  ): Promise<StoredClosure | undefined> {
    if (active.closure?.source === 'verified') return active.closure;
    const named = parseLayerAnnotations(labels) ?? active.closure?.closure;
    if (named === undefined && !this.#enabled) return undefined;
    const shown = recoverClosure(scanLayer(this.#deps.layout.fs(active.id)));
    if (named !== undefined) {
      const difference = await this.#difference(named, shown);
      if (difference === undefined) return { closure: named, source: 'label' };
      throw new StatusError(
        'InvalidArgument',
        `snapshot ${JSON.stringify(active.key)}: the layer's annotations name ${nameOf(named)}, but what was unpacked ${difference}; ` +
          'other images may have the same layer, so an annotation cannot make it another one: build the image again with ' +
          'nix2container: invalid argument',
      );
    }
    if (shown === undefined) return undefined;
    this.#deps.log.info(
      { key: active.key, paths: shown.kind === 'paths' ? shown.paths.length : 1 },
      'recovered the closure of a layer whose annotations were dropped',
    );
    return { closure: shown, source: 'recovered' };
  }

  /** Says in what the closure that a layer shows is not the one that was named; undefined when it is. */
  async #difference(named: LayerClosure, shown: LayerClosure | undefined): Promise<string | undefined> {
    if (shown?.kind === 'closure-info') {
      const same = named.kind === 'closure-info' && named.path === shown.path;
      return same ? undefined : `is marked as the layer of ${shown.path}`;
    }
    const mountPoints = new Set(shown?.paths ?? []);
    if (mountPoints.size === 0 && named.kind === 'closure-info') return 'is no Nix layer';
    const paths = await this.#deps.closures.pathsOf(named);
    const absent = paths.find((path) => !mountPoints.has(path));
    if (absent !== undefined) {
      return mountPoints.size === 0 ? 'is no Nix layer' : `has no mount point for ${absent}`;
    }
    const closure = new Set(paths);
    const stray = [...mountPoints].find((path) => !closure.has(path));
    return stray === undefined ? undefined : `has a mount point for ${stray}, too`;
  }
}

function nameOf(closure: LayerClosure): string {
  if (closure.kind === 'closure-info') return `the closure ${closure.path}`;
  const [first = 'none', ...others] = closure.paths;
  return others.length === 0 ? `the store path ${first}` : `${first} and ${others.length} more store paths`;
}
