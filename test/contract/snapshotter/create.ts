import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  commitLayer,
  directoriesOn,
  idOf,
  infoOf,
  ownDirectory,
  type Expectations,
  type Session,
} from './subject.ts';

const CREATE = ['Prepare', 'View'] as const;

/** Prepare, View and Mounts: codes, the order of checks, what a failure leaves. containerd `storage/bolt.go`, CreateSnapshot. */
export function createTests(session: () => Session, expectations: Expectations): void {
  for (const method of CREATE) {
    test(`${method}: a missing parent is NotFound, also when the key is taken`, async () => {
      const { client } = session();
      await client.Prepare({ key: `${method} taken` });
      for (const key of [`${method} free`, `${method} taken`]) {
        await assert.rejects(client[method]({ key, parent: 'nowhere' }), {
          code: 'NotFound',
          message: /missing parent "nowhere".*: not found$/,
        });
      }
    });

    test(`${method}: a parent that is not committed is InvalidArgument, also when the key is taken`, async () => {
      const { client } = session();
      await client.Prepare({ key: `${method} active parent` });
      await client.View({ key: `${method} view parent` });
      for (const parent of [`${method} active parent`, `${method} view parent`]) {
        for (const key of [`${method} of uncommitted`, `${method} active parent`]) {
          await assert.rejects(client[method]({ key, parent }), {
            code: 'InvalidArgument',
            message: /not committed.*: invalid argument$/,
          });
        }
      }
    });

    test(`${method}: a key of any kind that is taken is AlreadyExists, and nothing changes`, async () => {
      const { client, subject } = session();
      await client.Prepare({ key: `${method} 1` });
      await client.View({ key: `${method} 2` });
      await commitLayer(client, `${method} 3`);
      const before = [await directoriesOn(subject), await infoOf(client, `${method} 1`)];
      for (const key of [`${method} 1`, `${method} 2`, `${method} 3`]) {
        await assert.rejects(client[method]({ key, labels: { a: 'b' } }), {
          code: 'AlreadyExists',
          message: /: already exists$/,
        });
      }
      assert.deepEqual([await directoriesOn(subject), await infoOf(client, `${method} 1`)], before);
    });

    test(`${method}: of 20 calls at once with one key, one wins`, async () => {
      const { client } = session();
      const calls = Array.from({ length: 20 }, () => client[method]({ key: `${method} race` }));
      const outcomes = await Promise.allSettled(calls);
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected')
          assert.equal((outcome.reason as { code: string }).code, 'AlreadyExists');
      }
    });

    test(`${method}: an empty key is refused and leaves nothing`, async () => {
      const { client, subject } = session();
      const before = await directoriesOn(subject);
      await assert.rejects(client[method]({ key: '' }), { code: expectations.emptyKey });
      await assert.rejects(client.Stat({ key: '' }), { code: 'NotFound' });
      assert.deepEqual(await directoriesOn(subject), before);
    });
  }

  test('Mounts: a missing key is NotFound, a committed one FailedPrecondition', async () => {
    const { client } = session();
    await commitLayer(client, 'mounts committed');
    await assert.rejects(client.Mounts({ key: 'nowhere' }), { code: 'NotFound', message: /: not found$/ });
    await assert.rejects(client.Mounts({ key: 'mounts committed' }), {
      code: 'FailedPrecondition',
      message: /mounts committed.*not active or view.*: failed precondition$/,
    });
  });

  test('ids grow and are not used again after Remove', async () => {
    const { client } = session();
    const ids: number[] = [];
    for (let round = 0; round < 5; round++) {
      const { mounts } = await client.Prepare({ key: 'ids' });
      ids.push(idOf(ownDirectory(mounts)));
      await client.Remove({ key: 'ids' });
    }
    assert.deepEqual(
      ids,
      [...new Set(ids)].toSorted((a, b) => a - b),
    );
  });
}
