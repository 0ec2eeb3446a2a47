import { stat } from 'node:fs/promises';
import { parseLayerAnnotations } from '../closure/annotations.ts';
import { StatusError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { diskUsage } from '../host/disk-usage.ts';
import type { KeyedMutex } from '../host/mutex.ts';
import type { SnapshotRecord, Usage } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Mount } from '../view/mount.ts';
import type { ChainView } from './chain-view.ts';
import { chainOf, isTaken, mustGet } from './chain.ts';
import type { Executor } from './execute.ts';
import { compileFilters } from './filter/match.ts';
import { mappedRoot, type Owner } from './id-mapping.ts';
import { checkIntact } from './intact.ts';
import { isExtraction, updatedLabels } from './labels.ts';
import type { Layout } from './layout.ts';
import {
  checkCommit,
  planCommit,
  planCreate,
  planRemove,
  type CommitRequest,
  type CreateRequest,
} from './plan.ts';
import type { ClosureRecovery } from './recovery.ts';
import { rootMount, type MountFeatures } from './root-mounts.ts';
import type { SnapshotIds } from './snapshot-ids.ts';

export interface SnapshotServiceDeps {
  readonly store: MetadataStore;
  readonly ids: SnapshotIds;
  readonly layout: Layout;
  readonly features: MountFeatures;
  readonly executor: Executor;
  readonly view: ChainView;
  readonly recovery: ClosureRecovery;
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

  constructor(deps: SnapshotServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Prepare (kind active) and View. For a layer that names store paths the closure is realised and rooted first.
   *
   * @returns the mounts, the same as {@link mounts} gives later.
   * @throws StatusError NotFound or InvalidArgument (parent), AlreadyExists (key), InvalidArgument (a label),
   *   DataLoss (an ancestor's directory is gone), and what realising raises.
   */
  create(request: CreateRequest, signal?: AbortSignal): Promise<readonly Mount[]> {
    const { store, ids, layout, executor, view, clock, mutex, wait } = this.#deps;
    checkKey('key', request.key);
    return mutex.run([request.key], async () => {
      const chain = chainOf(store, request.parent);
      if (isTaken(store, request.key)) throw taken(request.key);
      checkIntact(chain, layout);
      const mapped = mappedRoot(request.labels);
      const closure = request.kind === 'active' ? parseLayerAnnotations(request.labels) : undefined;
      const shown = isExtraction(request.key, request.labels) ? undefined : await view.plan(chain, signal);
      const owner = mapped ?? (chain[0] === undefined ? undefined : await ownerOf(layout.fs(chain[0].id)));
      const mountPoints = shown?.mountPoints ?? [];
      return ids.withNew(async (id) => {
        const { record, steps } = planCreate(request, {
          id,
          now: clock.now(),
          owner,
          closure,
          mountPoints,
          wait,
        });
        await executor.run(steps, signal);
        return [this.#rootMount(record, chain), ...(shown?.mounts ?? [])];
      });
    });
  }

  /** The mounts of an active snapshot or a view. Throws NotFound, FailedPrecondition (committed), DataLoss. */
  async mounts(key: string, signal?: AbortSignal): Promise<readonly Mount[]> {
    const { store, layout, view } = this.#deps;
    const record = mustGet(store, key);
    if (record.kind === 'committed') {
      throw new StatusError(
        'FailedPrecondition',
        `requested snapshot ${JSON.stringify(key)} not active or view: failed precondition`,
      );
    }
    const chain = chainOf(store, record.parent);
    checkIntact([record, ...chain], layout);
    const shown = isExtraction(key, record.labels) ? undefined : await view.plan(chain, signal);
    return [this.#rootMount(record, chain), ...(shown?.mounts ?? [])];
  }

  /**
   * Commit. Throws NotFound (key, parent), AlreadyExists (name), FailedPrecondition (not active),
   * InvalidArgument (another parent), DataLoss (its directory is gone). Never waits for Nix.
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
      const closure = recovery.closureAtCommit(active, request.labels);
      const usage = await diskUsage(layout.fs(active.id));
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
      await executor.run(planRemove(key, record?.id ?? degraded?.id));
    });
  }

  /** Throws NotFound, or DataLoss for a snapshot whose record cannot be read. */
  stat(key: string): SnapshotRecord {
    return mustGet(this.#deps.store, key);
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
      await executor.run([
        {
          type: 'put',
          expect: [{ type: 'unchanged', key, id: current.id }],
          changes: [{ type: 'put', record }],
        },
      ]);
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
    if (record.kind === 'active') {
      checkIntact([record], this.#deps.layout);
      return diskUsage(this.#deps.layout.fs(record.id));
    }
    return record.usage ?? { size: 0, inodes: 0 };
  }

  #rootMount(record: SnapshotRecord, chain: readonly SnapshotRecord[]): Mount {
    const { layout, features } = this.#deps;
    return rootMount(
      record,
      chain.map((parent) => parent.id),
      layout,
      features,
    );
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

function taken(key: string): StatusError {
  return new StatusError('AlreadyExists', `snapshot ${JSON.stringify(key)}: already exists`);
}

async function ownerOf(directory: string): Promise<Owner> {
  const { uid, gid } = await stat(directory);
  return { uid, gid };
}
