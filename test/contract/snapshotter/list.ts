import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import pLimit from 'p-limit';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import { infoOf, listAll, open, type Expectations, type Session, type SubjectFactory } from './subject.ts';

/** Snapshots in one message of List (`contrib/snapshotservice`). */
const BATCH = 100;

/** Keys are opaque: none of these may be taken for a path. */
const KEYS = [
  '..',
  '.',
  '/',
  '../../../../etc/passwd',
  'k8s.io/17/extract-123456-abcd sha256:0123',
  ' leading and trailing ',
  'ü ☃ 𝄞',
  'line\nbreak',
  '%2F',
  '1',
  'new-1',
  '__proto__',
  'constructor',
  'x'.repeat(20_000),
];

/** List, and what keys may be. */
export function listTests(factory: SubjectFactory, { longList, stricter }: Expectations): void {
  describe('List', () => {
    test('an empty store gives no message at all', async () => {
      await using session = await open(factory);
      if (!stricter) await session.client.Prepare({ key: 'first' });
      if (!stricter) await session.client.Remove({ key: 'first' });
      assert.deepEqual(await Array.fromAsync(session.client.List({})), []);
      assert.deepEqual(await Array.fromAsync(session.client.List({ filters: ['kind==active'] })), []);
    });

    test(`${longList} snapshots come in messages of at most ${BATCH}, each once, as Stat gives them`, async () => {
      await using session = await open(factory);
      const { client } = session;
      const names = Array.from({ length: longList }, (_, index) => `long list ${index}`);
      const limit = pLimit(64);
      await Promise.all(names.map((key) => limit(() => client.Prepare({ key, labels: { index: key } }))));
      const messages = await Array.fromAsync(client.List({}));
      for (const { info } of messages) assert.ok(info.length > 0 && info.length <= BATCH);
      const listed = messages.flatMap(({ info }) => info);
      assert.deepEqual(listed.map(({ name }) => name).toSorted(), names.toSorted());
      for (const info of listed.slice(0, 20)) assert.deepEqual(info, await infoOf(client, info.name));
    });

    test('other calls are answered while a List is open', async () => {
      await using session = await open(factory);
      const { client } = session;
      const names = Array.from({ length: 250 }, (_, index) => `open list ${index}`);
      await Promise.all(names.map((key) => client.Prepare({ key })));
      let seen = 0;
      for await (const { info } of client.List({})) {
        seen += info.length;
        for (const one of info.slice(0, 3)) assert.deepEqual(await infoOf(client, one.name), one);
      }
      assert.equal(seen, names.length);
    });

    test('a reader that goes away in the middle leaves the server well', async () => {
      await using session = await open(factory);
      const { client } = session;
      const names = Array.from({ length: 250 }, (_, index) => `left list ${index}`);
      await Promise.all(names.map((key) => client.Prepare({ key })));
      for await (const { info } of client.List({})) {
        assert.ok(info.length > 0);
        break;
      }
      await client.Remove({ key: 'left list 0' });
      assert.equal((await listAll(client)).length, names.length - 1);
    });
  });
}

export function keyTests(session: () => Session): void {
  for (const key of KEYS) {
    test(`the key ${JSON.stringify(key.slice(0, 50))} lives through all calls`, async () => {
      const { client } = session();
      await client.Prepare({ key });
      assert.equal((await infoOf(client, key)).name, key);
      assert.equal((await listAll(client)).filter(({ name }) => name === key).length, 1);
      await client.Commit({ key, name: `${key} done` });
      const { mounts } = await client.View({ key, parent: `${key} done` });
      assert.deepEqual((await client.Mounts({ key })).mounts, mounts);
      await client.Update({ info: { name: key, labels: { a: '1' } } });
      assert.deepEqual((await infoOf(client, key)).parent, `${key} done`);
      await client.Remove({ key });
      await client.Remove({ key: `${key} done` });
      await assert.rejects(client.Stat({ key }), { code: 'NotFound' });
    });
  }

  test('a namespace header changes nothing', async () => {
    const { client, subject } = session();
    await client.Prepare({ key: 'no namespace' });
    using other = createRpcClient({ address: subject.address, namespace: 'k8s.io' });
    const info = await infoOf(other.service(snapshots), 'no namespace');
    assert.deepEqual(info, await infoOf(client, 'no namespace'));
  });
}
