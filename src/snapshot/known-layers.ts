import { LRUCache } from 'lru-cache';
import type { LayerClosure } from '../closure/annotations.ts';
import { LAYER_DIGEST_ANNOTATION } from '../closure/annotations.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { layerDiffId } from '../closure/layer-tar.ts';
import { planNixLayer, type StoreEntry } from '../closure/nix-layer.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { ViewChoice } from '../view/choice.ts';
import { readEntries } from '../view/entries.ts';
import type { ClosureEntry } from '../view/view.ts';
import { isChainId } from './chain-name.ts';
import { SNAPSHOT_REF_LABEL } from './labels.ts';

/** Says whether a blob is in containerd's content store. */
export type BlobLookup = (namespace: string, digest: string) => Promise<boolean>;

export interface KnownLayersDeps {
  readonly closures: ClosureReader;
  readonly realStoreDir: () => Promise<string>;
  readonly choice: ViewChoice;
  readonly hasBlob: BlobLookup;
  readonly log: Log;
}

/** Diff IDs that are remembered. */
const CACHED = 256;
/** `<namespace>/<number>/<key>`: what containerd makes of a client's key (`core/metadata/snapshot.go`, createKey). */
const NAMESPACED = /^([^/]+)\/\d+\//s;

/**
 * Layers whose content is known without a look at them: a Nix layer of ours holds the mount points of its closure, which
 * no view but binds needs, and its marker. A layer counts as one only if its chain ID says so, which follows from the
 * closure and from the chain below; an annotation alone proves nothing about the bytes that others unpack.
 */
export class KnownLayers {
  readonly #deps: KnownLayersDeps;
  readonly #diffIds = new LRUCache<string, string>({ max: CACHED });

  constructor(deps: KnownLayersDeps) {
    this.#deps = deps;
  }

  /**
   * True when a client that unpacks a layer into this snapshot may leave it out. Its blob must be in the client's content store
   * already, since a client fetches only what it unpacks, and `push` and `save` need the blob.
   */
  async isKnown({ key, parent, labels, closure }: SnapshotRecord): Promise<boolean> {
    const { choice, hasBlob, log } = this.#deps;
    const reference = labels.get(SNAPSHOT_REF_LABEL);
    const digest = labels.get(LAYER_DIGEST_ANNOTATION);
    const namespace = NAMESPACED.exec(key)?.[1];
    if (closure === undefined || reference === undefined || digest === undefined || namespace === undefined)
      return false;
    if (choice.current === 'binds') return false;
    try {
      const diffId = await this.#diffId(closure.closure);
      if (diffId === undefined || !isChainId(reference, parent, diffId)) return false;
      return await hasBlob(namespace, digest);
    } catch (error) {
      log.debug({ key, error: messageOf(error) }, 'a layer is unpacked, for it is not known');
      return false;
    }
  }

  /** What the layer of this closure must unpack to; undefined while a path is not on this host. */
  async #diffId(closure: LayerClosure): Promise<string | undefined> {
    const name = closure.kind === 'closure-info' ? closure.path : closure.paths.join(' ');
    const known = this.#diffIds.get(name);
    if (known !== undefined) return known;
    const { closures, realStoreDir } = this.#deps;
    const { entries, missing } = await readEntries(await closures.pathsOf(closure), await realStoreDir());
    if (missing.length > 0) return undefined;
    const kinds = new Map(entries.map((entry) => [entry.path, storeEntryOf(entry)] as const));
    const diffId = await layerDiffId(planNixLayer(kinds, closure));
    this.#diffIds.set(name, diffId);
    return diffId;
  }
}

function storeEntryOf({ kind, linkTarget }: ClosureEntry): StoreEntry {
  return kind === 'symlink' ? { kind, target: linkTarget ?? '' } : { kind };
}
