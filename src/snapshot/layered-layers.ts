import { LRUCache } from 'lru-cache';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { type LayeredPart, parseLayeredAnnotations, pathsOfPart } from '../closure/layered.ts';
import type { StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { LayerDigests } from '../store-image/layer-digests.ts';
import { readEntries } from '../view/entries.ts';
import { isChainId } from './chain-name.ts';
import { SNAPSHOT_REF_LABEL } from './labels.ts';
import { subjectOf } from './subject.ts';
import type { LayerRoots } from './layer-roots.ts';
import { verifiedLayers } from './layer-runs.ts';
import type { CreateRequest } from './plan.ts';
import { VainReads } from './vain-reads.ts';

export interface LayeredLayersOptions {
  /** Whether Prepare waits for Nix; where it does not, only what is on this host already counts. */
  readonly wait: 'prepare' | 'apply';
  /** How long a layer's paths may be read, in milliseconds. */
  readonly deadlineMs: number;
}

export interface LayeredLayersDeps {
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  readonly roots: Pick<LayerRoots, 'secure' | 'release'>;
  readonly digests: Pick<LayerDigests, 'describe'>;
  readonly realStoreDir: () => Promise<string>;
  readonly log: Log;
}

/** An image has up to a hundred layers of one closure: one that cannot be had is not tried again for each of them. */
const FAILED = { max: 1000, ttl: 60_000 };
/**
 * So many layers may lie below one that is not unpacked; images of ours have a hundred at most. The kernel limits chains of unpacked
 * layers, but nothing limits these: they are shown by one view.
 */
const MAX_BELOW = 127;

/**
 * Ordinary layers that say by annotations which store paths they hold. The annotations prove nothing: whoever writes a manifest may
 * put them on any layer, and a snapshot is shared by all images that have its chain ID. So the node makes the layer of its own
 * store paths, and only where its digest is the diff ID that the chain ID asks for need the layer not be fetched.
 */
export class LayeredLayers {
  readonly #options: LayeredLayersOptions;
  readonly #deps: LayeredLayersDeps;
  readonly #failed = new LRUCache<StorePath, true>(FAILED);
  readonly #vainReads = new VainReads(FAILED);

  constructor(options: LayeredLayersOptions, deps: LayeredLayersDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /**
   * The store paths that are all of the layer that is to be unpacked into a snapshot; they are valid, and the closure that lists
   * them is rooted for the snapshot.
   *
   * @param below the layers below, the immediate parent first.
   * @param id of the snapshot that will be made.
   * @returns undefined for a layer that has to be unpacked: it says nothing, it is not what it says, Nix cannot get its
   *   paths, or the chain is longer than any honest one. Nothing is rooted then.
   * @throws StatusError DeadlineExceeded or Cancelled while Nix goes on; a retry joins it.
   */
  async verifiedPaths(
    { key, parent, labels }: CreateRequest,
    below: readonly SnapshotRecord[],
    id: number,
    signal?: AbortSignal,
  ): Promise<readonly StorePath[] | undefined> {
    const { roots, log } = this.#deps;
    const reference = labels.get(SNAPSHOT_REF_LABEL);
    if (reference === undefined) return undefined;
    let part: LayeredPart | undefined;
    let rooted = false;
    try {
      part = parseLayeredAnnotations(labels);
      if (part === undefined || below.length > MAX_BELOW) return undefined;
      if (this.#failed.has(part.closureInfo) || this.#vainReads.isSpent(part)) return undefined;
      if (!(await this.#mayRealise(part))) return undefined;
      const closure = { kind: 'closure-info', path: part.closureInfo } as const;
      await roots.secure(id, closure, signal, subjectOf(labels, below));
      rooted = true;
      const list = await this.#deps.closures.pathsOf({ kind: 'closure-info', path: part.closureInfo });
      const paths = pathsOfPart(list, part);
      checkNotHeld(paths, below);
      const isIt = (diffId: string) => isChainId(reference, parent, diffId);
      if (await this.#read(part, { list, paths, isIt }, signal)) {
        rooted = false;
        return paths;
      }
      log.warn({ key }, 'a layer is not what its annotations say; it is unpacked as any other');
    } catch (error) {
      if (signal?.aborted === true || (!rooted && isUnfinished(error))) throw error;
      if (part !== undefined && !rooted) this.#failed.set(part.closureInfo, true);
      log.warn({ key, error: messageOf(error) }, 'a layer that holds store paths is unpacked as any other');
    } finally {
      if (rooted) await roots.release(id);
    }
    return undefined;
  }

  async #mayRealise({ closureInfo }: LayeredPart): Promise<boolean> {
    if (this.#options.wait === 'prepare') return true;
    const { missing } = await readEntries([closureInfo], await this.#deps.realStoreDir());
    return missing.length === 0;
  }

  /** Whether the layer of these paths is the one that is asked for; remembers when it was read in vain. */
  async #read(
    part: LayeredPart,
    { list, paths, isIt }: Claim,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const late = AbortSignal.timeout(this.#options.deadlineMs);
    const unwanted = signal === undefined ? late : AbortSignal.any([signal, late]);
    let found = false;
    try {
      const { digest } = await this.#deps.digests.describe(paths, unwanted);
      found = isIt(digest);
    } finally {
      // The other layers of the closure would wait as long.
      if (!found && late.aborted) this.#failed.set(part.closureInfo, true);
      else if (!found && !unwanted.aborted) this.#vainReads.add(part, list.length);
    }
    return found;
  }
}

/** What is to be shown of a layer. */
interface Claim {
  /** Of the whole closure. */
  readonly list: readonly StorePath[];
  /** Of the layer. */
  readonly paths: readonly StorePath[];
  /** Says whether the chain ID asks for this diff ID. */
  readonly isIt: (diffId: string) => boolean;
}

/** @throws StatusError InvalidArgument for paths that a neighbour below holds: the same layer again and again is no image. */
function checkNotHeld(paths: readonly StorePath[], below: readonly SnapshotRecord[]): void {
  const own = new Set(paths);
  for (const { paths: held } of verifiedLayers(below)) {
    const twice = held.find((path) => own.has(path));
    if (twice !== undefined)
      throw new StatusError('InvalidArgument', `${twice} is in a layer below already: invalid argument`);
  }
}

function isUnfinished(error: unknown): boolean {
  return error instanceof StatusError && error.code === 'DeadlineExceeded';
}
