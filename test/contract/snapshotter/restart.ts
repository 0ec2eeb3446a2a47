import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import {
  commitLayer,
  directoriesOn,
  idOf,
  infoOf,
  listAll,
  nanoseconds,
  open,
  ownDirectory,
  realTime,
  type Session,
  type SubjectFactory,
} from './subject.ts';

/** What a client sees is the same before and after a restart. */
export function restartTests(factory: SubjectFactory): void {
  describe('restart', () => {
    test('infos, mounts, usage and directories are the same after it', async () => {
      await using session = await open(factory);
      const { client, subject } = session;
      const key = await client.Prepare({ key: 'base key' });
      await writeFile(join(ownDirectory(key.mounts), 'file'), 'x'.repeat(10_000));
      await client.Commit({ name: 'base', key: 'base key', labels: { a: '1' } });
      await client.Prepare({ key: 'active', parent: 'base', labels: { b: '2' } });
      await client.View({ key: 'view', parent: 'base' });
      const before = await everything(session);
      const directories = await directoriesOn(subject);
      await subject.restart();
      using again = createRpcClient({ address: subject.address });
      const after = await everything({ ...session, client: again.service(snapshots) });
      assert.deepEqual(after, before);
      assert.deepEqual(await directoriesOn(subject), directories);
    });

    test('ids go on growing, also when the newest snapshots are gone', async () => {
      await using session = await open(factory);
      const ids: number[] = [];
      for (let round = 0; round < 3; round++) {
        using rpc = createRpcClient({ address: session.subject.address });
        const client = rpc.service(snapshots);
        for (const key of ['a', 'b']) {
          ids.push(idOf(ownDirectory((await client.Prepare({ key })).mounts)));
          await client.Remove({ key });
        }
        await session.subject.restart();
      }
      assert.deepEqual(
        ids,
        [...new Set(ids)].toSorted((a, b) => a - b),
      );
    });
  });
}

export function timeTests(session: () => Session): void {
  test('Created and Updated are one moment within the call, the same in Stat and List', async () => {
    const { client } = session();
    for (const method of ['Prepare', 'View'] as const) {
      const from = await realTime();
      await client[method]({ key: `time ${method}` });
      const to = await realTime();
      const info = await infoOf(client, `time ${method}`);
      const created = nanoseconds(info.created_at);
      assert.ok(from <= created && created <= to, `${from} ≤ ${created} ≤ ${to}`);
      assert.deepEqual(info.updated_at, info.created_at);
      assert.deepEqual(await listAll(client, [`name=="time ${method}"`]), [info]);
      assert.equal(info.kind, method === 'View' ? 'VIEW' : 'ACTIVE');
    }
  });

  test('Update moves Updated only', async () => {
    const { client } = session();
    await commitLayer(client, 'time update');
    const before = await infoOf(client, 'time update');
    await client.Update({ info: { name: 'time update', labels: {} } });
    const after = await infoOf(client, 'time update');
    assert.deepEqual(after.created_at, before.created_at);
    assert.ok(nanoseconds(after.updated_at) > nanoseconds(before.updated_at));
  });
}

async function everything({ client }: Session): Promise<unknown> {
  const infos = (await listAll(client)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return Promise.all(
    infos.map(async (info) => ({
      info,
      usage: await client.Usage({ key: info.name }),
      mounts: info.kind === 'COMMITTED' ? undefined : (await client.Mounts({ key: info.name })).mounts,
    })),
  );
}
