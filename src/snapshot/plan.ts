import type { LayerClosure } from '../closure/annotations.ts';
import { StatusError } from '../errors.ts';
import type { DegradedRecord, SnapshotRecord, StoredClosure, Timestamp, Usage } from '../metadata/schema.ts';
import type { Subject } from '../policy/subject.ts';
import { idMapping, type Owner } from './id-mapping.ts';
import { storedLabels } from './labels.ts';
import type { ShownChain } from './shown-chain.ts';
import type { Step } from './steps.ts';

const UNCHECKED = { unchecked: true } as const;

export interface CreateRequest {
  readonly key: string;
  readonly kind: 'active' | 'view';
  readonly parent: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** What planning a Prepare or View needs to know. */
export interface CreateFacts {
  readonly id: number;
  readonly now: Timestamp;
  /** Owner of the new root directory; undefined leaves it to the daemon's own user. */
  readonly owner: Owner | undefined;
  /** The closure that the labels name, or what the layer was verified to hold. */
  readonly closure: LayerClosure | undefined;
  /** See {@link StoredClosure}. */
  readonly source?: 'label' | 'verified';
  /** For whom the closure is realised. */
  readonly subject?: Subject;
  /** How this snapshot sees the chain below. */
  readonly shown: Pick<ShownChain, 'view' | 'mountPoints'>;
  /** Whether Prepare waits for Nix, or the diff plugin's Apply does. */
  readonly wait: 'prepare' | 'apply';
}

/** Prepare and View: the record that will be, and the steps to it. */
export function planCreate(
  request: CreateRequest,
  facts: CreateFacts,
): { readonly record: SnapshotRecord; readonly steps: readonly Step[] } {
  const { id, now, owner, closure, source = 'label', subject, shown } = facts;
  const { view, mountPoints } = shown;
  const waits = facts.wait === 'prepare' || source === 'verified';
  const record: SnapshotRecord = {
    key: request.key,
    id,
    kind: request.kind,
    parent: request.parent,
    created: now,
    updated: now,
    labels: storedLabels(request.labels),
    ...(closure === undefined ? {} : { closure: { closure, source, ...(waits ? {} : UNCHECKED) } }),
    ...(view === undefined ? {} : { view }),
    ...(mountPoints.length === 0 ? {} : { ownMountPoints: true }),
  };
  const steps: Step[] = [];
  const named = closure !== undefined && !isEmpty(closure) ? closure : undefined;
  if (named !== undefined && waits)
    steps.push({ type: 'realise', id, closure: named, ...(subject === undefined ? {} : { subject }) });
  steps.push({ type: 'make-directory', record, owner });
  if (mountPoints.length > 0) steps.push({ type: 'make-mount-points', id, mountPoints });
  steps.push({
    type: 'put',
    expect: [
      ...(request.parent === '' ? [] : [{ type: 'committed' as const, key: request.parent }]),
      { type: 'free', key: request.key },
    ],
    changes: [{ type: 'put', record }],
  });
  if (named !== undefined && !waits) steps.push({ type: 'realise-later', id, closure: named });
  return { record, steps };
}

/**
 * A snapshot that was made to unpack a known layer becomes the layer's, with nothing in it. Its name stays its key: containerd
 * finds it by its reference label and takes the name it has (containerd `core/metadata/snapshot.go`, createSnapshot).
 */
export function planKnown(active: SnapshotRecord, now: Timestamp): readonly Step[] {
  const { ownMountPoints: _, view: _view, ...kept } = active;
  const record: SnapshotRecord = { ...kept, kind: 'committed', created: now, updated: now };
  const { key, id, closure } = active;
  return [
    {
      type: 'put',
      expect: [{ type: 'unchanged', key, id }],
      changes: [{ type: 'put', record }],
    },
    { type: 'copy-record', record },
    // Of verified layers only the upmost is ever shown, and which one that is, is not known here.
    ...(closure === undefined || closure.source === 'verified'
      ? []
      : [{ type: 'show-later', id, closure } as const]),
  ];
}

export interface CommitRequest {
  readonly name: string;
  readonly key: string;
  /** '' when the request names none. */
  readonly parent: string;
  readonly labels: ReadonlyMap<string, string>;
}

export interface CommitFacts {
  readonly now: Timestamp;
  /** Undefined for one that is counted when somebody asks. */
  readonly usage: Usage | undefined;
  /** The layer's closure after Commit. */
  readonly closure: StoredClosure | undefined;
}

/**
 * Commit: the record moves from key to name, keeps its id, gets the request's labels, and new times.
 * Never waits for Nix: containerd holds its global lock meanwhile.
 */
export function planCommit(
  active: SnapshotRecord,
  request: CommitRequest,
  facts: CommitFacts,
): readonly Step[] {
  const parent = active.parent === '' ? request.parent : active.parent;
  const rooted = facts.closure !== undefined && sameClosure(facts.closure, active.closure);
  // What is learnt only now nobody has let in yet; what was not when it was prepared is not now.
  const isUnchecked = !rooted || active.closure?.unchecked === true;
  const closure =
    facts.closure === undefined ? undefined : { ...facts.closure, ...(isUnchecked ? UNCHECKED : {}) };
  const record: SnapshotRecord = {
    key: request.name,
    id: active.id,
    kind: 'committed',
    parent,
    created: facts.now,
    updated: facts.now,
    labels: storedLabels(request.labels),
    ...(facts.usage === undefined ? {} : { usage: facts.usage }),
    ...(closure === undefined ? {} : { closure }),
  };
  const put: Step = {
    type: 'put',
    expect: [
      { type: 'free', key: request.name },
      { type: 'unchanged', key: active.key, id: active.id },
      ...(parent === '' ? [] : [{ type: 'committed' as const, key: parent }]),
    ],
    changes: [
      { type: 'delete', key: active.key },
      { type: 'put', record },
    ],
  };
  const copy: Step = { type: 'copy-record', record };
  if (closure === undefined || isEmpty(closure.closure)) return [put, copy];
  const { id } = active;
  return [
    put,
    copy,
    ...(rooted ? [] : [{ type: 'realise-later', id, closure: closure.closure } as const]),
    { type: 'show-later', id, closure },
  ];
}

/**
 * Checks a Commit in containerd's order. Source: containerd `core/snapshots/storage/bolt.go` (CommitActive).
 *
 * @param parentKind kind of the snapshot that `request.parent` names, undefined when there is none.
 * @throws StatusError FailedPrecondition, InvalidArgument or NotFound.
 */
export function checkCommit(
  active: SnapshotRecord,
  request: CommitRequest,
  parentKind: SnapshotRecord['kind'] | undefined,
): void {
  const key = JSON.stringify(active.key);
  if (active.kind !== 'active') {
    throw new StatusError('FailedPrecondition', `snapshot ${key} is not active: failed precondition`);
  }
  if (request.parent === '' || request.parent === active.parent) return;
  const parent = JSON.stringify(request.parent);
  if (active.parent !== '') {
    throw new StatusError(
      'InvalidArgument',
      `snapshot ${key} has parent ${JSON.stringify(active.parent)}, not ${parent}: invalid argument`,
    );
  }
  if (parentKind === undefined) throw new StatusError('NotFound', `parent snapshot ${parent}: not found`);
  if (parentKind !== 'committed') {
    throw new StatusError(
      'FailedPrecondition',
      `parent snapshot ${parent} is not committed: failed precondition`,
    );
  }
}

/** Update: the record with other labels. */
export function planUpdate(record: SnapshotRecord): readonly Step[] {
  const { key, id } = record;
  return [
    { type: 'put', expect: [{ type: 'unchanged', key, id }], changes: [{ type: 'put', record }] },
    { type: 'copy-record', record },
  ];
}

/**
 * Remove: metadata first, then what it described. The time of the last use comes before: the root of a snapshot that is gone is
 * kept for the grace period after it, whatever ends the daemon in between.
 *
 * @param removed what is known of the snapshot: its record, or of a degraded one the id at most.
 */
export function planRemove(
  key: string,
  removed: SnapshotRecord | Pick<DegradedRecord, 'id'>,
): readonly Step[] {
  const { id } = removed;
  const isRecord = 'kind' in removed;
  const closure = isRecord ? removed.closure : undefined;
  const mayHaveRoots = !isRecord || closure !== undefined;
  const mayHaveViews = isRecord && (closure !== undefined || idMapping(removed.labels) !== undefined);
  const steps: Step[] = [];
  if (id !== undefined && mayHaveRoots) steps.push({ type: 'note-use', id });
  steps.push({ type: 'put', expect: [{ type: 'childless', key }], changes: [{ type: 'delete', key }] });
  if (id !== undefined) steps.push({ type: 'remove-directory', id });
  if (id !== undefined && mayHaveRoots) steps.push({ type: 'retire-roots', id });
  if (mayHaveViews) steps.push({ type: 'collect-views' });
  return steps;
}

/** True for a layer that says it is a Nix layer and names nothing. */
function isEmpty(closure: LayerClosure): boolean {
  return closure.kind === 'paths' && closure.paths.length === 0;
}

function sameClosure(one: StoredClosure, other: StoredClosure | undefined): boolean {
  return JSON.stringify(one.closure) === JSON.stringify(other?.closure);
}
