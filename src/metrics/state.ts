import { LAYERED_CLOSURE_ANNOTATION } from '../closure/layered.ts';
import { diskSpace } from '../host/disk-space.ts';
import { mountsBelow } from '../host/mounts-below.ts';
import { namesIn } from '../host/names-in.ts';
import type { SnapshotKind, SnapshotRecord } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { OpenNixStore } from '../nix/open-store.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import { isExtraction } from '../snapshot/labels.ts';
import type { Layout } from '../snapshot/layout.ts';
import { VERSION } from '../version.ts';
import type { ViewChoice } from '../view/choice.ts';
import { viewKey } from '../view/overlay/fingerprint.ts';
import { METRICS } from './definitions.ts';
import { type Family, family } from './samples.ts';

export interface StateDeps {
  readonly store: Pick<MetadataStore, 'list' | 'get' | 'degraded'>;
  readonly layout: Layout;
  readonly roots: { readonly count: number };
  readonly inFlight: () => readonly RealiseInFlight[];
  readonly nix: Pick<OpenNixStore, 'realStoreDir' | 'backend'>;
  readonly view: Pick<ViewChoice, 'current'>;
  /** Views that somebody else has mounted for this daemon. */
  readonly mountedForUs: () => number;
  /** What reconcile could not repair. */
  readonly problems: readonly string[];
}

/** How long the file systems may take to answer, in milliseconds. */
const DISK_PATIENCE_MS = 1000;

/** Metrics of what there is now: read at each scrape. Reads memory, and of the disk only directories and tables of the kernel. */
export async function stateFamilies(deps: StateDeps): Promise<readonly Family[]> {
  const { store, layout, roots, inFlight, nix, view, mountedForUs, problems } = deps;
  const records = store.list();
  const realises = inFlight();
  const running = realises.filter(({ state }) => state === 'running').length;
  const directories = { store: await nix.realStoreDir(), root: layout.root };
  const [pulled, mounts, ...spaces] = await Promise.all([
    namesIn(layout.pulledRoots),
    mountsBelow([layout.views, layout.mapped]),
    ...Object.values(directories).map((directory) => diskSpace(directory, DISK_PATIENCE_MS)),
  ]);
  const disks = Object.keys(directories).flatMap((directory, at) => {
    const space = spaces[at];
    return space === undefined ? [] : [{ directory, ...space }];
  });
  const backends = ['daemon', 'nix-store'];
  const views = ['overlay', 'binds', 'store'];
  return [
    family(METRICS.build, [[1, { version: VERSION, node_version: process.versions.node }]]),
    family(
      METRICS.view,
      views.map((mode) => [mode === view.current ? 1 : 0, { mode }]),
    ),
    family(
      METRICS.backend,
      backends.map((backend) => [backend === nix.backend.name ? 1 : 0, { backend }]),
    ),
    family(METRICS.problems, [[problems.length, {}]]),
    family(METRICS.realises, [
      [running, { state: 'running' }],
      [realises.length - running, { state: 'queued' }],
    ]),
    family(METRICS.waiters, [[realises.reduce((sum, { waiters }) => sum + waiters, 0), {}]]),
    ...snapshotFamilies(records, store),
    family(METRICS.roots, [
      [roots.count, { kind: 'snapshot' }],
      [pulled.length, { kind: 'pulled' }],
    ]),
    family(METRICS.mounts, [[mounts + mountedForUs(), {}]]),
    family(
      METRICS.free,
      disks.map(({ directory, free }) => [free, { directory }]),
    ),
    family(
      METRICS.size,
      disks.map(({ directory, size }) => [size, { directory }]),
    ),
  ];
}

/** What an image's layers are. */
type ImageKind = 'nix' | 'mixed' | 'ordinary' | 'fallback';

function snapshotFamilies(
  records: readonly SnapshotRecord[],
  store: Pick<MetadataStore, 'get' | 'degraded'>,
): readonly Family[] {
  const kinds: Record<SnapshotKind, number> = { committed: 0, active: 0, view: 0 };
  const images: Record<ImageKind, number> = { nix: 0, mixed: 0, ordinary: 0, fallback: 0 };
  const shown = { overlay: 0, binds: 0, store: 0 };
  const closures = new Set<string>();
  const chains = new Chains(store);
  let layers = 0;
  for (const record of records) {
    kinds[record.kind] += 1;
    if (record.closure !== undefined) {
      layers += 1;
      closures.add(viewKey(record.closure.closure));
    }
    if (record.kind !== 'active' || isExtraction(record.key, record.labels)) continue;
    images[chains.imageKind(record.parent)] += 1;
    if (record.view !== undefined) shown[record.view] += 1;
  }
  return [
    family(
      METRICS.snapshots,
      Object.entries(kinds).map(([kind, count]) => [count, { kind }]),
    ),
    family(METRICS.degraded, [[store.degraded().length, {}]]),
    family(
      METRICS.containers,
      Object.entries(images).map(([image, count]) => [count, { image }]),
    ),
    family(
      METRICS.shown,
      Object.entries(shown).map(([view, count]) => [count, { view }]),
    ),
    family(METRICS.layers, [[layers, {}]]),
    family(METRICS.closures, [[closures.size, {}]]),
  ];
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

/** A layer that holds store paths and was unpacked, because Nix could not get them, is a fallback. */
function layerKind({ closure, labels }: SnapshotRecord): number {
  if (closure !== undefined) return NIX;
  return labels.has(LAYERED_CLOSURE_ANNOTATION) ? FALLBACK : ORDINARY;
}
