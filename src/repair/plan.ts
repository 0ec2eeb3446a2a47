import type { SnapshotRecord } from '../metadata/schema.ts';
import { type ClientName, clientName, type RepairFacts } from './facts.ts';

/** Everything that a repair can do. */
export type RepairStep =
  /** Have containerd forget a snapshot that cannot be used: its clients make it anew. */
  | ({ readonly type: 'forget-in-containerd' } & ClientName)
  /** Remove a snapshot of ours that cannot be used. */
  | { readonly type: 'remove-snapshot'; readonly key: string }
  /** Remove directories of no snapshot. */
  | { readonly type: 'remove-directories'; readonly ids: readonly number[] }
  /** Realise and root the closure of a snapshot. */
  | { readonly type: 'root'; readonly record: SnapshotRecord }
  /** Have containerd remove what it does not know. */
  | { readonly type: 'collect-in-containerd' };

export interface RepairPlan {
  readonly steps: readonly RepairStep[];
  /** What must be done by hand first, one sentence each. */
  readonly left: readonly string[];
}

/** Plans what brings the daemon, its directories and containerd together again. What is healthy, or in use, is in no step. */
export function planRepair(facts: RepairFacts): RepairPlan {
  const { records, degraded, kept, mounted, unrooted, wanted, unanswered } = facts;
  const left: string[] = [];
  if (wanted === undefined)
    left.push(
      `containerd does not answer${unanswered === undefined ? '' : ` (${unanswered})`}: start it and run this again, for it may know ` +
        'snapshots that are lost',
    );
  const parents = new Map(records.map(({ key, parent }) => [key, parent] as const));
  const broken = brokenKeys(facts);
  for (const [key, id] of idsOf(facts)) {
    if (!broken.has(key) || !mounted.has(id)) continue;
    left.push(
      `${shownName(key)} is damaged, and a container that runs uses it: delete the container and run this again`,
    );
    for (const name of withAncestors(key, parents)) broken.delete(name);
  }
  const hidden = degraded.filter(({ key, id }) => id === undefined && broken.has(key));
  const ids = new Set([...idsOf(facts).values(), ...kept]);
  const strangers = [...mounted].filter((id) => !ids.has(id));
  if (hidden.length > 0 && strangers.length > 0) {
    left.push(
      `${hidden.length} snapshots are damaged so that nobody knows their directories, and containers that run use some of no known ` +
        `snapshot (${strangers.join(', ')}): delete these containers and run this again`,
    );
    for (const { key } of hidden) broken.delete(key);
  }
  const depths = new Map([...broken].map((key) => [key, withAncestors(key, parents).size] as const));
  const leavesFirst = [...broken].toSorted((one, other) => (depths.get(other) ?? 0) - (depths.get(one) ?? 0));
  const steps: RepairStep[] = [];
  for (const key of leavesFirst) {
    const client = clientName(key);
    if (client !== undefined && wanted?.has(key) === true)
      steps.push({ type: 'forget-in-containerd', ...client });
  }
  const ours = idsOf(facts);
  for (const key of leavesFirst)
    if (ours.has(key) || isDegraded(key, facts)) steps.push({ type: 'remove-snapshot', key });
  const unused = [...kept].filter((id) => !mounted.has(id));
  if (unused.length > 0) steps.push({ type: 'remove-directories', ids: unused });
  if (unused.length < kept.size) {
    left.push(
      `${kept.size - unused.length} directories of no known snapshot are used by containers that run: delete these and run this again`,
    );
  }
  for (const record of records) {
    if (unrooted.has(record.id) && !broken.has(record.key)) steps.push({ type: 'root', record });
  }
  const unwanted = wanted !== undefined && records.some(({ key }) => !wanted.has(key));
  if (steps.some(({ type }) => type === 'forget-in-containerd') || unwanted)
    steps.push({ type: 'collect-in-containerd' });
  return { steps, left };
}

/** A step in words. */
export function describeStep(step: RepairStep): string {
  switch (step.type) {
    case 'forget-in-containerd':
      return `have containerd forget snapshot ${JSON.stringify(step.name)} of namespace ${step.namespace}`;
    case 'remove-snapshot':
      return `remove ${shownName(step.key)}`;
    case 'remove-directories':
      return `remove ${step.ids.length} directories of no snapshot: ${step.ids.join(', ')}`;
    case 'root':
      return `root the closure of ${shownName(step.record.key)}`;
    case 'collect-in-containerd':
      return 'have containerd remove what it does not know';
  }
}

/** What containerd wants and is not there, what cannot be read, what lost its directory, and all on top of these. */
function brokenKeys({ records, degraded, gone, wanted }: RepairFacts): Set<string> {
  const known = new Set([...records, ...degraded].map(({ key }) => key));
  const broken = new Set(degraded.map(({ key }) => key));
  for (const key of wanted ?? []) if (!known.has(key)) broken.add(key);
  for (const { key, id } of records) if (gone.has(id)) broken.add(key);
  for (let size = -1; size !== broken.size; ) {
    size = broken.size;
    for (const { key, parent } of records) {
      if (parent !== '' && (broken.has(parent) || !known.has(parent))) broken.add(key);
    }
  }
  return broken;
}

function idsOf({ records, degraded }: RepairFacts): ReadonlyMap<string, number> {
  return new Map(
    [...records, ...degraded].flatMap(({ key, id }) => (id === undefined ? [] : [[key, id] as const])),
  );
}

function isDegraded(key: string, { degraded }: RepairFacts): boolean {
  return degraded.some((record) => record.key === key);
}

/** A snapshot and all below it; ends whatever the parents say. */
function withAncestors(key: string, parents: ReadonlyMap<string, string>): ReadonlySet<string> {
  const chain = new Set([key]);
  for (const name of chain) {
    const parent = parents.get(name) ?? '';
    if (parent !== '') chain.add(parent);
  }
  return chain;
}

function shownName(key: string): string {
  const client = clientName(key);
  return client === undefined
    ? `snapshot ${JSON.stringify(key)}`
    : `snapshot ${JSON.stringify(client.name)} of namespace ${client.namespace}`;
}
