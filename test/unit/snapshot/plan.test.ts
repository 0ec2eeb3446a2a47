import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseStorePath, type StorePath } from '../../../src/closure/store-path.ts';
import { checkCommit, planCommit, planCreate, planKnown, planRemove } from '../../../src/snapshot/plan.ts';
import { recordOf } from '../metadata/store-suite.ts';

const now = { seconds: 5, nanos: 6 };
const path = parseStorePath(`/nix/store/${'a'.repeat(32)}-x`) as StorePath;
const types = (steps: readonly { type: string }[]) => steps.map((step) => step.type);

describe('planCreate', () => {
  const request = {
    key: 'k',
    kind: 'active' as const,
    parent: 'p',
    labels: new Map([
      ['a', ''],
      ['b', '1'],
    ]),
  };
  const facts = {
    id: 9,
    now,
    owner: undefined,
    closure: undefined,
    shown: { view: undefined, mountPoints: [] },
    wait: 'prepare' as const,
  };

  it('makes the directory before it writes the metadata', () => {
    const { record, steps } = planCreate(request, facts);
    assert.deepEqual(types(steps), ['make-directory', 'put']);
    assert.deepEqual(record, {
      key: 'k',
      id: 9,
      kind: 'active',
      parent: 'p',
      created: now,
      updated: now,
      labels: new Map([['b', '1']]),
    });
  });

  it('roots a closure before anything else', () => {
    const closure = { kind: 'closure-info' as const, path };
    const { record, steps } = planCreate(request, { ...facts, closure });
    assert.deepEqual(types(steps), ['realise', 'make-directory', 'put']);
    assert.deepEqual(record.closure, { closure, source: 'label' });
  });

  it('roots the paths of a verified layer before it is stored, whoever waits for Nix', () => {
    const closure = { kind: 'paths' as const, paths: [path] };
    for (const wait of ['prepare', 'apply'] as const) {
      const { record, steps } = planCreate(request, { ...facts, closure, source: 'verified', wait });
      assert.deepEqual(record.closure, { closure, source: 'verified' });
      assert.deepEqual(types(steps), ['realise', 'make-directory', 'put']);
      // Layers above it are shown together with it.
      assert.deepEqual(types(planKnown(record, now)), ['put', 'copy-record']);
    }
  });

  it('starts the realise after the metadata when Apply waits for it', () => {
    const { steps } = planCreate(request, {
      ...facts,
      closure: { kind: 'closure-info', path },
      wait: 'apply',
    });
    assert.deepEqual(types(steps), ['make-directory', 'put', 'realise-later']);
  });

  it('asks Nix for nothing when a layer names no path', () => {
    const { steps } = planCreate(request, { ...facts, closure: { kind: 'paths', paths: [] } });
    assert.deepEqual(types(steps), ['make-directory', 'put']);
  });

  it('makes mount points in the new directory', () => {
    const { record, steps } = planCreate(request, {
      ...facts,
      shown: { view: 'binds', mountPoints: [{ path: 'nix/store/x', kind: 'file' }] },
    });
    assert.deepEqual(types(steps), ['make-directory', 'make-mount-points', 'put']);
    assert.equal(record.ownMountPoints, true);
  });

  it('expects the parent and a free key at the moment of the change', () => {
    const put = planCreate(request, facts).steps.at(-1);
    assert.deepEqual(put?.type === 'put' && put.expect, [
      { type: 'committed', key: 'p' },
      { type: 'free', key: 'k' },
    ]);
  });
});

describe('planCommit', () => {
  const active = recordOf('key', 3, { kind: 'active', labels: new Map([['old', '1']]) });
  const usage = { size: 4096, inodes: 1 };
  const request = { name: 'name', key: 'key', parent: '', labels: new Map([['new', '2']]) };

  it('is one change that keeps the id and replaces the labels', () => {
    const [put, ...rest] = planCommit(active, request, { now, usage, closure: undefined });
    assert.deepEqual(types(rest), ['copy-record']);
    assert.deepEqual(put?.type === 'put' && put.changes, [
      { type: 'delete', key: 'key' },
      {
        type: 'put',
        record: {
          key: 'name',
          id: 3,
          kind: 'committed',
          parent: '',
          created: now,
          updated: now,
          labels: new Map([['new', '2']]),
          usage,
        },
      },
    ]);
  });

  it('never waits for Nix: a closure learnt now is realised later', () => {
    const closure = { closure: { kind: 'paths' as const, paths: [path] }, source: 'recovered' as const };
    assert.deepEqual(types(planCommit(active, request, { now, usage, closure })), [
      'put',
      'copy-record',
      'realise-later',
      'show-later',
    ]);
    assert.deepEqual(types(planCommit({ ...active, closure }, request, { now, usage, closure })), [
      'put',
      'copy-record',
      'show-later',
    ]);
  });

  it('notes what the policy has not let in yet, and forgets it of nothing', () => {
    const learnt = { closure: { kind: 'paths' as const, paths: [path] }, source: 'label' as const };
    const storedAs = (prepared: typeof active) => {
      const [put] = planCommit(prepared, request, { now, usage, closure: learnt });
      return put?.type === 'put' && put.changes[1]?.type === 'put' && put.changes[1].record.closure;
    };
    assert.deepEqual(storedAs(active), { ...learnt, unchecked: true });
    assert.deepEqual(storedAs({ ...active, closure: learnt }), learnt);
    assert.deepEqual(storedAs({ ...active, closure: { ...learnt, unchecked: true } }), {
      ...learnt,
      unchecked: true,
    });
  });

  it('takes the parent of the request when there was none', () => {
    const [put] = planCommit(active, { ...request, parent: 'base' }, { now, usage, closure: undefined });
    assert.ok(put?.type === 'put' && put.changes[1]?.type === 'put');
    assert.equal(put.changes[1].record.parent, 'base');
  });
});

describe('checkCommit', () => {
  const active = recordOf('key', 3, { kind: 'active', parent: 'base' });
  const request = { name: 'name', key: 'key', parent: '', labels: new Map<string, string>() };
  const orphan = { ...active, parent: '' };
  it('takes the parent it has, and none', () => {
    checkCommit(active, request, undefined);
    checkCommit(active, { ...request, parent: 'base' }, 'committed');
    checkCommit(orphan, { ...request, parent: 'base' }, 'committed');
  });
  it('refuses what is not active', () => {
    assert.throws(() => checkCommit(recordOf('v', 1, { kind: 'view' }), request, undefined), {
      code: 'FailedPrecondition',
    });
    assert.throws(() => checkCommit(recordOf('c', 1), request, undefined), { code: 'FailedPrecondition' });
  });
  it('refuses another parent', () => {
    assert.throws(() => checkCommit(active, { ...request, parent: 'other' }, 'committed'), {
      code: 'InvalidArgument',
    });
  });
  it('refuses an absent or uncommitted new parent', () => {
    assert.throws(() => checkCommit(orphan, { ...request, parent: 'x' }, undefined), { code: 'NotFound' });
    assert.throws(() => checkCommit(orphan, { ...request, parent: 'x' }, 'view'), {
      code: 'FailedPrecondition',
    });
  });
});

describe('planRemove', () => {
  it('changes the metadata before it removes anything', () => {
    assert.deepEqual(types(planRemove('k', { id: 4 })), [
      'note-use',
      'put',
      'remove-directory',
      'retire-roots',
    ]);
  });
  it('leaves directories alone when a degraded record hides the id', () => {
    assert.deepEqual(types(planRemove('k', { id: undefined })), ['put']);
  });
});
