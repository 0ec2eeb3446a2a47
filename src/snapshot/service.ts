import { statSync } from 'node:fs';
import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import { StatusError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { diskUsage } from '../host/disk-usage.ts';
import type { KeyedMutex } from '../host/mutex.ts';
import type { SnapshotRecord, Usage } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Mount } from '../view/mount.ts';
import type { AskedNames } from './asked-names.ts';
import type { ChainView, ShowRequest } from './chain-view.ts';
import { chainOf, isTaken, mustGet } from './chain.ts';
import type { Executor } from './execute.ts';
import { compileFilters } from './filter/match.ts';
import { idMapping, mappedRoot, type Owner } from './id-mapping.ts';
import { checkIntact } from './intact.ts';
import type { KnownLayers } from './known-layers.ts';
import { isExtraction, isRemapCopy, SNAPSHOT_REF_LABEL, updatedLabels } from './labels.ts';
import type { LayeredLayers } from './layered-layers.ts';
import type { Layout } from './layout.ts';
import {
  checkCommit,
  planCommit,
  planCreate,
  planKnown,
  planRemove,
  planUpdate,
  type CommitRequest,
  type CreateFacts,
  type CreateRequest,
} from './plan.ts';
import type { ClosureRecovery } from './recovery.ts';
import { rootMount, type MountFeatures } from './root-mounts.ts';
import type { ShownChain } from './shown-chain.ts';
import type { SnapshotIds } from './snapshot-ids.ts';
import { subjectOf } from './subject.ts';

export interface SnapshotServiceDeps {
  readonly store: MetadataStore;
  readonly ids: SnapshotIds;
  readonly layout: Layout;
  readonly features: MountFeatures;
  readonly executor: Executor;
  readonly view: ChainView;
  readonly known: Pick<KnownLayers, 'isKnown'>;
  readonly layered: Pick<LayeredLayers, 'verifiedPaths'>;
  readonly recovery: ClosureRecovery;
  readonly asked: AskedNames;
  readonly clock: Clock;
  readonly mutex: KeyedMutex;
  /** See {@link planCreate}. */
  readonly wait: 'prepare' | 'apply';
}

/**
 * The snapshotter: containerd's contract for ordinary layers, and layers that name store paths.
 * Keys and names are opaque text in one flat name space. Semantics and error codes:
 * containerd `core/snapshots/snapshotter.go` and `core/snapshots/storage/bolt.go`.
 */
export class SnapshotService {
  readonly #deps: SnapshotServiceDeps;
  /** Of committed snapshots, which do not change. */
  readonly #counted = new WeakMap<SnapshotRecord, Usage>();

  constructor(deps: SnapshotServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Prepare (kind active) and View. For a layer that names store paths the closure is realised and rooted first. A client that
   * would unpack a layer whose content is known is answered AlreadyExists: the layer's snapshot is there then.
   *
   * @returns the mounts, the same as {@link mounts} gives later.
   * @throws StatusError NotFound or InvalidArgument (parent), AlreadyExists (key), InvalidArgument (a label),
   *   DataLoss (an ancestor's directory is gone), and what realising raises.
   */
  create(request: CreateRequest, signal?: AbortSignal): Promise<readonly Mount[]> {
    const { store, ids, layout, executor, view, known, clock, mutex, wait } = this.#deps;
    checkKey('key', request.key);
    return mutex.run([request.key], async () => {
      const chain = chainOf(store, request.parent);
      if (isTaken(store, request.key)) throw taken(request.key);
      checkIntact(chain, layout);
      const mapped = mappedRoot(request.labels);
      const closure = request.kind === 'active' ? parseLayerAnnotations(request.labels) : undefined;
      checkNoCopy(request.key, chain);
      const owner = mapped ?? (chain[0] === undefined ? undefined : ownerOf(layout.fs(chain[0].id)));
      const mapping = idMapping(request.labels);
      const made = view.holding(mapping, async () => {
        const shown = await this.#show(chain, request, { signal });
        return ids.withNew(async (id) => {
          const layer = await this.#layerOf(request, { named: closure, chain }, id, signal);
          const { record, steps } = planCreate(request, {
            id,
            now: clock.now(),
            owner,
            shown,
            wait,
            subject: subjectOf(request.labels, chain),
            ...layer,
          });
          try {
            await executor.run(steps, signal);
          } catch (error) {
            if (layer.source === 'verified') await executor.run([{ type: 'remove-roots', id }]);
            throw error;
          }
          if (layer.source === 'verified' || (await known.isKnown(record))) {
            await executor.run(planKnown(record, clock.now()));
            throw alreadyThere(record);
          }
          return this.#mounts(record, shown);
        });
      });
      // What was mounted for a snapshot that is not there now belongs to nobody.
      if (mapping !== undefined) made.catch(() => executor.run([{ type: 'collect-views' }]));
      return made;
    });
  }

  /** The mounts of an active snapshot or a view. Throws NotFound, FailedPrecondition (committed), DataLoss. */
  async mounts(key: string, signal?: AbortSignal): Promise<readonly Mount[]> {
    const { store, layout } = this.#deps;
    const record = mustGet(store, key);
    if (record.kind === 'committed') {
      throw new StatusError(
        'FailedPrecondition',
        `requested snapshot ${JSON.stringify(key)} not active or view: failed precondition`,
      );
    }
    const chain = chainOf(store, record.parent);
    checkIntact([record, ...chain], layout);
    return this.#mounts(record, await this.#show(chain, record, { stored: record.view, signal }));
  }

  /**
   * Commit. Throws NotFound (key, parent), AlreadyExists (name), FailedPrecondition (not active),
   * InvalidArgument (another parent, a closure that is not the layer's), DataLoss (its directory is gone). Never waits for Nix.
   */
  commit(request: CommitRequest): Promise<void> {
    const { store, layout, executor, recovery, clock, mutex } = this.#deps;
    checkKey('name', request.name);
    return mutex.run([request.key, request.name], async () => {
      const active = mustGet(store, request.key);
      if (isTaken(store, request.name)) throw taken(request.name);
      const parentKind = request.parent === request.key ? undefined : store.get(request.parent)?.kind;
      checkCommit(active, request, parentKind);
      checkIntact([active], layout);
      const closure = await recovery.closureAtCommit(active, request.labels);
      // A Nix layer has a mount point for each store path; containerd holds its lock meanwhile.
      const usage = closure === undefined ? await diskUsage(layout.fs(active.id)) : undefined;
      await executor.run(planCommit(active, request, { now: clock.now(), usage, closure }));
    });
  }

  /** Removes a snapshot of any kind. Throws NotFound, FailedPrecondition (it has children). */
  remove(key: string): Promise<void> {
    const { store, executor, mutex } = this.#deps;
    return mutex.run([key], async () => {
      const degraded = store.degraded().find((candidate) => candidate.key === key);
      const record = store.get(key);
      if (record === undefined && degraded === undefined) {
        throw new StatusError('NotFound', `failed to remove snapshot ${JSON.stringify(key)}: not found`);
      }
      await executor.run(planRemove(key, record ?? { id: degraded?.id }));
    });
  }

  /** Throws NotFound, or DataLoss for a snapshot whose record cannot be read. */
  stat(key: string): SnapshotRecord {
    const { store, asked } = this.#deps;
    asked.note(key, isTaken(store, key));
    const record = asked.listening ? store.get(key) : mustGet(store, key);
    if (record !== undefined) return record;
    throw new StatusError('NotFound', `snapshot ${JSON.stringify(key)}: not found`);
  }

  /** Changes labels, see {@link updatedLabels}; name, parent, kind and creation time stay. */
  update(key: string, labels: ReadonlyMap<string, string>, mask: readonly string[]): Promise<SnapshotRecord> {
    const { store, executor, clock, mutex } = this.#deps;
    return mutex.run([key], async () => {
      const current = mustGet(store, key);
      const record = {
        ...current,
        labels: updatedLabels(key, current.labels, labels, mask),
        updated: clock.now(),
      };
      await executor.run(planUpdate(record));
      return record;
    });
  }

  /** Snapshots that match one of the filters, all without filters. Throws InvalidArgument for a bad filter. */
  async list(filters: readonly string[]): Promise<readonly SnapshotRecord[]> {
    const matches = await compileFilters(filters);
    return this.#deps.store.list().filter(matches);
  }

  /** Disk usage of the snapshot's own layer: live for active, as of Commit for committed, 0 for a view. */
  async usage(key: string): Promise<Usage> {
    const record = mustGet(this.#deps.store, key);
    if (record.kind === 'view') return { size: 0, inodes: 0 };
    const known = record.usage ?? this.#counted.get(record);
    if (known !== undefined) return known;
    checkIntact([record], this.#deps.layout);
    const usage = await diskUsage(this.#deps.layout.fs(record.id));
    if (record.kind === 'committed') this.#counted.set(record, usage);
    return usage;
  }

  /** What the layer that a client unpacks into a snapshot shows of the store. */
  async #layerOf(
    request: CreateRequest,
    { named, chain }: { readonly named: LayerClosure | undefined; readonly chain: readonly SnapshotRecord[] },
    id: number,
    signal: AbortSignal | undefined,
  ): Promise<Pick<CreateFacts, 'closure' | 'source'>> {
    if (named !== undefined || request.kind !== 'active') return { closure: named };
    const paths = await this.#deps.layered.verifiedPaths(request, chain, id, signal);
    return paths === undefined
      ? { closure: undefined }
      : { closure: { kind: 'paths', paths }, source: 'verified' };
  }

  #show(
    chain: readonly SnapshotRecord[],
    { key, labels }: Pick<SnapshotRecord, 'key' | 'labels'>,
    request: Omit<ShowRequest, 'mapping'>,
  ): Promise<ShownChain> {
    const { view } = this.#deps;
    if (isExtraction(key, labels)) return Promise.resolve(view.plain(chain));
    return view.plan(chain, { ...request, mapping: idMapping(labels) });
  }

  #mounts(record: SnapshotRecord, shown: ShownChain): readonly Mount[] {
    const { layout, features } = this.#deps;
    return [rootMount(record, shown, layout, features), ...shown.mounts];
  }
}

function checkKey(what: string, key: string): void {
  if (key === '' || key.includes('\0')) {
    throw new StatusError(
      'InvalidArgument',
      `snapshot ${what} ${JSON.stringify(key)} is empty or holds a NUL: invalid argument`,
    );
  }
}

/** A client that copies a chain and changes the owner of every file would copy whole closures out of the store. */
function checkNoCopy(key: string, chain: readonly SnapshotRecord[]): void {
  if (!isRemapCopy(key) || chain.every(({ closure }) => closure === undefined)) return;
  throw new StatusError(
    'FailedPrecondition',
    `snapshot ${JSON.stringify(key)} is to be a copy of a Nix image with other owners, which would copy closures out of the ` +
      'store; declare capabilities = ["remap-ids"] for this plugin in the configuration of containerd (2.1 or newer), ' +
      'and with ctr add --remap-labels: failed precondition',
  );
}

function alreadyThere({ labels }: SnapshotRecord): StatusError {
  return new StatusError(
    'AlreadyExists',
    `target snapshot ${JSON.stringify(labels.get(SNAPSHOT_REF_LABEL))}: already exists`,
  );
}

function taken(key: string): StatusError {
  return new StatusError('AlreadyExists', `snapshot ${JSON.stringify(key)}: already exists`);
}

function ownerOf(directory: string): Owner {
  const { uid, gid } = statSync(directory);
  return { uid, gid };
}
