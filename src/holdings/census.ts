import { LAYERED_CLOSURE_ANNOTATION } from '../closure/layered.ts';
import type { SnapshotKind, SnapshotRecord } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import { viewKey } from '../view/overlay/fingerprint.ts';
import type { ViewName } from '../view/view.ts';

/**
 * What an image's layers are: Nix layers only; ordinary ones too; ordinary ones only; or some that hold store paths and were
 * unpacked, because Nix could not get those.
 */
export type ImageKind = 'nix' | 'mixed' | 'ordinary' | 'fallback';

/** The snapshots that there are, counted. */
export interface Census {
  readonly kinds: Readonly<Record<SnapshotKind, number>>;
  /** Records that cannot be read. */
  readonly degraded: number;
  /** Root file systems of containers, by what their image is. */
  readonly containers: Readonly<Record<ImageKind, number>>;
  /** Root file systems of containers on images with closures, by how those are shown. */
  readonly shown: Readonly<Record<ViewName, number>>;
  /** Snapshots that name a closure. */
  readonly layers: number;
  /** Different closures among those. */
  readonly closures: number;
}

/**
 * Counts all snapshots, by what is in memory.
 *
 * @param isContainer tells an active snapshot that a container has from one that a layer is unpacked into.
 */
export function takeCensus(
  store: Pick<MetadataStore, 'list' | 'get' | 'degraded'>,
  isContainer: (record: SnapshotRecord) => boolean,
): Census {
  const kinds: Record<SnapshotKind, number> = { committed: 0, active: 0, view: 0 };
  const containers: Record<ImageKind, number> = { nix: 0, mixed: 0, ordinary: 0, fallback: 0 };
  const shown: Record<ViewName, number> = { overlay: 0, binds: 0, store: 0 };
  const closures = new Set<string>();
  const chains = new Chains(store);
  let layers = 0;
  for (const record of store.list()) {
    kinds[record.kind] += 1;
    if (record.closure !== undefined) {
      layers += 1;
      closures.add(viewKey(record.closure.closure));
    }
    if (record.kind !== 'active' || !isContainer(record)) continue;
    containers[chains.imageKind(record.parent)] += 1;
    if (record.view !== undefined) shown[record.view] += 1;
  }
  return { kinds, degraded: store.degraded().length, containers, shown, layers, closures: closures.size };
}

/** Bits of what is found in a chain. */
const NIX = 1;
const ORDINARY = 2;
const FALLBACK = 4;

/** Looks at each stored layer once, however many containers lie on it. */
class Chains {
  readonly #store: Pick<MetadataStore, 'get'>;
  readonly #found = new Map<string, number>();

  constructor(store: Pick<MetadataStore, 'get'>) {
    this.#store = store;
  }

  /** @param name of the topmost layer; '' for none. */
  imageKind(name: string): ImageKind {
    const found = this.#layersOf(name);
    if ((found & FALLBACK) !== 0) return 'fallback';
    if ((found & NIX) === 0) return 'ordinary';
    return (found & ORDINARY) === 0 ? 'nix' : 'mixed';
  }

  #layersOf(top: string): number {
    const unseen: SnapshotRecord[] = [];
    let name = top;
    let found = this.#found.get(name);
    for (; found === undefined; found = this.#found.get(name)) {
      const record = this.#store.get(name);
      if (record === undefined) break;
      unseen.push(record);
      name = record.parent;
    }
    let bits = found ?? 0;
    for (const record of unseen.toReversed()) {
      bits |= layerKind(record);
      this.#found.set(record.key, bits);
    }
    return bits;
  }
}

function layerKind({ closure, labels }: SnapshotRecord): number {
  if (closure !== undefined) return NIX;
  return labels.has(LAYERED_CLOSURE_ANNOTATION) ? FALLBACK : ORDINARY;
}
