import { lstatSync } from 'node:fs';
import type { StorePath } from '../../../src/closure/store-path.ts';
import type { MountPoint } from '../../../src/view/view.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { planCommit, planCreate, planRemove } from '../../../src/snapshot/plan.ts';
import type { Step } from '../../../src/snapshot/steps.ts';
import type { State } from './state-rig.ts';

export const PATH = `/nix/store/${'a'.repeat(32)}-one` as StorePath;
export const OTHER_PATH = `/nix/store/${'b'.repeat(32)}-two` as StorePath;

const now = { seconds: 1, nanos: 2 };
const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const usage = { size: 4096, inodes: 1 };

/** A snapshot operation: what must be there before it, and its plan. */
export interface Operation {
  readonly name: string;
  /** Plans of earlier operations, to be carried out whole. */
  readonly before: (state: State) => readonly (readonly Step[])[];
  readonly plan: (state: State) => readonly Step[];
}

type Create = Partial<Parameters<typeof planCreate>[0]> & {
  readonly paths?: readonly StorePath[];
  readonly mountPoints?: readonly MountPoint[];
  readonly wait?: Parameters<typeof planCreate>[1]['wait'];
};

export function create(state: State, key: string, options: Create = {}): readonly Step[] {
  const { paths, mountPoints, wait = 'prepare', ...more } = options;
  const shown =
    mountPoints === undefined
      ? { view: undefined, mountPoints: [] }
      : { view: 'binds' as const, mountPoints };
  const closure = paths === undefined ? undefined : { kind: 'paths' as const, paths };
  return planCreate(
    { key, kind: 'active', parent: '', labels: new Map(), ...more },
    { id: state.store.nextId(), now, owner, closure, shown, wait },
  ).steps;
}

export function commit(state: State, key: string, name: string, recovered?: readonly StorePath[]) {
  const active = present(state, key);
  const closure =
    recovered === undefined
      ? active.closure
      : { closure: { kind: 'paths' as const, paths: recovered }, source: 'recovered' as const };
  return planCommit(active, { name, key, parent: '', labels: new Map() }, { now, usage, closure });
}

export function remove(state: State, key: string): readonly Step[] {
  return planRemove(key, present(state, key));
}

function present(state: State, key: string): SnapshotRecord {
  const record = state.store.get(key);
  if (record === undefined) throw new Error(`${key} is not there`);
  lstatSync(state.layout.directory(record.id));
  return record;
}

const mountPoints = [
  { path: 'nix/store/a-directory', kind: 'directory' as const },
  { path: 'nix/store/b-file', kind: 'file' as const },
  { path: 'nix/store/c-link', kind: 'symlink' as const, linkTarget: 'b-file' },
];
const nothing = () => [];

/** One of every shape of plan. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'Prepare', before: nothing, plan: (state) => create(state, 'k') },
  { name: 'Prepare of a Nix layer', before: nothing, plan: (state) => create(state, 'k', { paths: [PATH] }) },
  {
    name: 'Prepare with mount points',
    before: nothing,
    plan: (state) => create(state, 'k', { paths: [PATH, OTHER_PATH], mountPoints }),
  },
  {
    name: 'Prepare of a Nix layer whose Apply waits',
    before: nothing,
    plan: (state) => create(state, 'k', { paths: [PATH], wait: 'apply' }),
  },
  { name: 'View', before: nothing, plan: (state) => create(state, 'k', { kind: 'view', mountPoints }) },
  {
    name: 'Commit',
    before: (state) => [create(state, 'k')],
    plan: (state) => commit(state, 'k', 'name'),
  },
  {
    name: 'Commit of a Nix layer',
    before: (state) => [create(state, 'k', { paths: [PATH] })],
    plan: (state) => commit(state, 'k', 'name'),
  },
  {
    name: 'Commit that recovers a closure',
    before: (state) => [create(state, 'k')],
    plan: (state) => commit(state, 'k', 'name', [OTHER_PATH]),
  },
  {
    name: 'Remove',
    before: (state) => [create(state, 'k', { paths: [PATH] })],
    plan: (state) => remove(state, 'k'),
  },
];
