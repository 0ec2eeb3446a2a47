import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  commitLayer,
  idOf,
  infoOf,
  lowerDirectories,
  nanoseconds,
  only,
  ownDirectory,
  realTime,
  type Expectations,
  type Session,
} from './subject.ts';

/** Commit: codes, the order of checks, the request's parent, effects. containerd `storage/bolt.go`, CommitActive. */
export function commitTests(session: () => Session, expectations: Expectations): void {
  test('Commit: a missing key is NotFound, also when the name is taken', async () => {
    const { client } = session();
    await commitLayer(client, 'commit name');
    for (const name of ['commit free', 'commit name']) {
      await assert.rejects(client.Commit({ name, key: 'nowhere' }), {
        code: 'NotFound',
        message: /: not found$/,
      });
    }
  });

  test('Commit: a name that is taken is AlreadyExists, whatever the kind of the key, and the key stays', async () => {
    const { client } = session();
    await commitLayer(client, 'taken committed');
    await client.Prepare({ key: 'taken active' });
    await client.View({ key: 'taken view' });
    const { mounts } = await client.Prepare({ key: 'taken key' });
    for (const name of ['taken committed', 'taken active', 'taken view', 'taken key']) {
      for (const key of ['taken key', 'taken view', 'taken committed']) {
        await assert.rejects(client.Commit({ name, key }), {
          code: 'AlreadyExists',
          message: /: already exists$/,
        });
      }
    }
    assert.deepEqual((await client.Mounts({ key: 'taken key' })).mounts, mounts);
  });

  test('Commit: a view or a committed snapshot is FailedPrecondition', async () => {
    const { client } = session();
    await client.View({ key: 'not active view' });
    await commitLayer(client, 'not active committed');
    for (const key of ['not active view', 'not active committed']) {
      await assert.rejects(client.Commit({ name: 'never', key, parent: 'nowhere' }), {
        code: 'FailedPrecondition',
        message: /is not active.*: failed precondition$/,
      });
    }
    await assert.rejects(client.Stat({ key: 'never' }), { code: 'NotFound' });
  });

  test('Commit: keeps the id, replaces the labels, sets both times anew, frees the key', async () => {
    const { client } = session();
    const { mounts } = await client.Prepare({ key: 'effects', labels: { old: '1', both: '1' } });
    const prepared = await infoOf(client, 'effects');
    const before = await realTime();
    await client.Commit({ name: 'effects done', key: 'effects', labels: { both: '2', empty: '' } });
    const after = await realTime();
    const info = await infoOf(client, 'effects done');
    assert.equal(info.kind, 'COMMITTED');
    assert.equal(info.parent, '');
    assert.deepEqual(info.labels, { both: '2' });
    assert.deepEqual(info.created_at, info.updated_at);
    const created = nanoseconds(info.created_at);
    assert.ok(before <= created && created <= after, `${before} ≤ ${created} ≤ ${after}`);
    assert.ok(created > nanoseconds(prepared.created_at));
    await assert.rejects(client.Stat({ key: 'effects' }), { code: 'NotFound' });
    const view = await client.View({ key: 'effects view', parent: 'effects done' });
    assert.equal(only(view.mounts).source, ownDirectory(mounts));
    const again = await client.Prepare({ key: 'effects' });
    assert.notEqual(idOf(ownDirectory(again.mounts)), idOf(ownDirectory(mounts)));
  });

  test('Commit: no labels in the request leave none', async () => {
    const { client } = session();
    await client.Prepare({ key: 'unlabelled', labels: { a: '1' } });
    await client.Commit({ name: 'unlabelled done', key: 'unlabelled' });
    assert.deepEqual((await infoOf(client, 'unlabelled done')).labels, {});
  });

  test('Commit with parent: the same parent is accepted, another one is InvalidArgument', async () => {
    const { client } = session();
    await commitLayer(client, 'parent a');
    await commitLayer(client, 'parent b');
    await client.Prepare({ key: 'parent key', parent: 'parent a' });
    for (const parent of ['parent b', 'nowhere']) {
      await assert.rejects(client.Commit({ name: 'parent done', key: 'parent key', parent }), {
        code: 'InvalidArgument',
        message: /: invalid argument$/,
      });
    }
    await client.Commit({ name: 'parent done', key: 'parent key', parent: 'parent a' });
    assert.equal((await infoOf(client, 'parent done')).parent, 'parent a');
  });

  test('Commit with parent: a snapshot without one is put onto it', async () => {
    const { client } = session();
    await commitLayer(client, 'rebase base');
    const { mounts } = await client.Prepare({ key: 'rebase key' });
    await client.Commit({ name: 'rebase done', key: 'rebase key', parent: 'rebase base' });
    assert.equal((await infoOf(client, 'rebase done')).parent, 'rebase base');
    const base = await client.View({ key: 'rebase base view', parent: 'rebase base' });
    const view = await client.View({ key: 'rebase view', parent: 'rebase done' });
    assert.deepEqual(lowerDirectories(view.mounts), [ownDirectory(mounts), only(base.mounts).source]);
    await client.Remove({ key: 'rebase base view' });
    await assert.rejects(client.Remove({ key: 'rebase base' }), { code: 'FailedPrecondition' });
  });

  test('Commit with parent: a missing one is NotFound, one not committed FailedPrecondition, and the key stays', async () => {
    const { client } = session();
    await client.Prepare({ key: 'rebase active' });
    await client.View({ key: 'rebase viewed' });
    const { mounts } = await client.Prepare({ key: 'rebase refused', labels: { a: '1' } });
    const before = await infoOf(client, 'rebase refused');
    const cases = [
      ['nowhere', 'NotFound', /: not found$/],
      ['rebase active', 'FailedPrecondition', /: failed precondition$/],
      ['rebase viewed', 'FailedPrecondition', /: failed precondition$/],
    ] as const;
    for (const [parent, code, message] of cases) {
      const commit = client.Commit({ name: 'rebase never', key: 'rebase refused', parent });
      await assert.rejects(commit, { code, message }, parent);
    }
    await assert.rejects(client.Stat({ key: 'rebase never' }), { code: 'NotFound' });
    assert.deepEqual(await infoOf(client, 'rebase refused'), before);
    assert.deepEqual((await client.Mounts({ key: 'rebase refused' })).mounts, mounts);
  });

  if (expectations.stricter) {
    test('Commit with parent: its own new name is NotFound', async () => {
      const { client } = session();
      await client.Prepare({ key: 'loop key' });
      await assert.rejects(client.Commit({ name: 'loop', key: 'loop key', parent: 'loop' }), {
        code: 'NotFound',
      });
    });
  }

  test('Commit: of 20 calls at once with one name, one wins and the other keys stay', async () => {
    const { client } = session();
    const keys = Array.from({ length: 20 }, (_, index) => `race ${index}`);
    await Promise.all(keys.map((key) => client.Prepare({ key })));
    const outcomes = await Promise.allSettled(keys.map((key) => client.Commit({ name: 'race', key })));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    const left = await Promise.allSettled(keys.map((key) => client.Stat({ key })));
    assert.equal(left.filter(({ status }) => status === 'fulfilled').length, 19);
  });
}
