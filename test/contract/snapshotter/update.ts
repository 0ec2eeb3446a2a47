import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commitLayer, infoOf, nanoseconds, realTime, type Expectations, type Session } from './subject.ts';

const DOTTED = 'containerd.io/snapshot/a.b.c';

/** Update: field masks, labels, times. containerd `storage/bolt.go`, UpdateInfo. */
export function updateTests(session: () => Session, expectations: Expectations): void {
  test('Update: a missing snapshot is NotFound', async () => {
    const { client } = session();
    await assert.rejects(client.Update({ info: { name: 'nowhere' } }), {
      code: 'NotFound',
      message: /: not found$/,
    });
  });

  if (expectations.stricter) {
    test('Update: a request without info is answered', async () => {
      await assert.rejects(session().client.Update({}), { code: 'InvalidArgument' });
    });
  }

  for (const paths of [undefined, []]) {
    test(`Update: ${paths === undefined ? 'no mask' : 'an empty mask'} replaces the labels and nothing else`, async () => {
      const { client } = session();
      const name = `update ${paths?.length}`;
      await commitLayer(client, name, '', { a: '1', b: '2' });
      const before = await infoOf(client, name);
      const from = await realTime();
      const { info } = await client.Update({
        info: { name, labels: { b: '3', empty: '' }, parent: 'x', kind: 'VIEW', created_at: { seconds: 1n } },
        update_mask: paths === undefined ? null : { paths },
      });
      const to = await realTime();
      const after = await infoOf(client, name);
      assert.deepEqual({ ...info, labels: undefined }, { ...after, labels: undefined });
      assert.deepEqual(after, { ...before, labels: { b: '3' }, updated_at: after.updated_at });
      const updated = nanoseconds(after.updated_at);
      assert.ok(from <= updated && updated <= to, `${from} ≤ ${updated} ≤ ${to}`);
    });
  }

  test('Update: single labels, whose names may have dots and slashes, are set and deleted; others stay', async () => {
    const { client } = session();
    await client.Prepare({ key: 'single', labels: { a: '1', b: '2', c: '3', [DOTTED]: '4' } });
    const { info } = await client.Update({
      info: { name: 'single', labels: { a: '9', c: '8', [DOTTED]: '7', unmasked: '6' } },
      update_mask: { paths: [`labels.${DOTTED}`, 'labels.a', 'labels.b'] },
    });
    assert.deepEqual(info?.labels, { a: '9', c: '3', [DOTTED]: '7' });
    assert.deepEqual((await infoOf(client, 'single')).labels, { a: '9', c: '3', [DOTTED]: '7' });
    await client.Update({
      info: { name: 'single', labels: { a: '' } },
      update_mask: { paths: ['labels.a'] },
    });
    assert.deepEqual((await infoOf(client, 'single')).labels, { c: '3', [DOTTED]: '7' });
  });

  test('Update: the mask labels replaces, and clears when the request has none', async () => {
    const { client } = session();
    await client.View({ key: 'mask labels', labels: { a: '1' } });
    await client.Update({
      info: { name: 'mask labels', labels: { b: '2' } },
      update_mask: { paths: ['labels'] },
    });
    assert.deepEqual((await infoOf(client, 'mask labels')).labels, { b: '2' });
    await client.Update({ info: { name: 'mask labels' }, update_mask: { paths: ['labels'] } });
    assert.deepEqual((await infoOf(client, 'mask labels')).labels, {});
  });

  for (const path of ['parent', 'name', 'kind', 'created_at', 'label', 'Labels', '']) {
    test(`Update: the mask ${JSON.stringify(path)} is InvalidArgument, and nothing changes`, async () => {
      const { client } = session();
      const name = `refused ${path}`;
      await client.Prepare({ key: name, labels: { a: '1' } });
      const before = await infoOf(client, name);
      for (const paths of [[path], ['labels.a', path], [path, 'labels']]) {
        await assert.rejects(client.Update({ info: { name, labels: { a: '2' } }, update_mask: { paths } }), {
          code: 'InvalidArgument',
          message: /: invalid argument$/,
        });
      }
      assert.deepEqual(await infoOf(client, name), before);
    });
  }

  test('labels: empty values are dropped at Prepare; names with a meaning in JavaScript are kept', async () => {
    const { client } = session();
    const labels = JSON.parse('{"__proto__":"a","constructor":"b","empty":"","ü/ x":"ü\\n"}') as Record<
      string,
      string
    >;
    await client.Prepare({ key: 'odd labels', labels });
    assert.deepEqual(
      new Map(Object.entries((await infoOf(client, 'odd labels')).labels)),
      new Map(Object.entries(labels).filter(([, value]) => value !== '')),
    );
  });
}
