import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { commitLayer, directoriesOn, idOf, infoOf, listAll, ownDirectory, type Session } from './subject.ts';

/** Remove and Cleanup. containerd `storage/bolt.go`, Remove; the suite's own demand on the text of the error. */
export function removeTests(session: () => Session): void {
  test('Remove: a missing key is NotFound, and the text says what failed', async () => {
    await assert.rejects(session().client.Remove({ key: 'nowhere' }), {
      code: 'NotFound',
      message: /remove.*nowhere.*: not found$/,
    });
  });

  test('Remove: a parent of a child of any kind is FailedPrecondition, and stays', async () => {
    const { client } = session();
    const makeChild = {
      active: (parent: string) => client.Prepare({ key: `${parent} child`, parent }),
      view: (parent: string) => client.View({ key: `${parent} child`, parent }),
      committed: (parent: string) => commitLayer(client, `${parent} child`, parent),
    };
    for (const [kind, make] of Object.entries(makeChild)) {
      const parent = `remove ${kind}`;
      await commitLayer(client, parent);
      await make(parent);
      const before = await infoOf(client, parent);
      await assert.rejects(client.Remove({ key: parent }), {
        code: 'FailedPrecondition',
        message: /failed to remove snapshot .*cannot remove snapshot with child.*: failed precondition$/,
      });
      assert.deepEqual(await infoOf(client, parent), before);
      await client.Remove({ key: `${parent} child` });
      await client.Remove({ key: parent });
      await assert.rejects(client.Stat({ key: parent }), { code: 'NotFound' });
    }
  });

  test('Remove: after it and Cleanup the directory is gone, and the key is free for any kind', async () => {
    const { client, subject } = session();
    for (const method of ['Prepare', 'View', 'Prepare'] as const) {
      await client[method]({ key: 'removed' });
      await client.Remove({ key: 'removed' });
      await client.Cleanup({});
      await assert.rejects(client.Stat({ key: 'removed' }), { code: 'NotFound' });
      await assert.rejects(client.Mounts({ key: 'removed' }), { code: 'NotFound' });
    }
    const { mounts } = await client.Prepare({ key: 'removed' });
    await writeFile(join(ownDirectory(mounts), 'file'), 'x');
    const id = String(idOf(ownDirectory(mounts)));
    assert.ok((await directoriesOn(subject)).includes(id));
    await client.Remove({ key: 'removed' });
    await client.Cleanup({});
    assert.ok(!(await directoriesOn(subject)).includes(id));
  });

  test('Cleanup removes directories that no snapshot has, keeps the others, and can be repeated', async () => {
    const { client, subject } = session();
    await client.Prepare({ key: 'kept by cleanup' });
    const before = await directoriesOn(subject);
    await mkdir(join(subject.root, 'snapshots', '999999999', 'fs', 'deep'), { recursive: true });
    await client.Cleanup({});
    await client.Cleanup({});
    const infos = await listAll(client);
    assert.deepEqual(await directoriesOn(subject), before);
    assert.equal(before.length, infos.length);
  });

  test('Cleanup beside Prepare never takes a snapshot that is being made', async () => {
    const { client } = session();
    const keys = Array.from({ length: 30 }, (_, index) => `beside cleanup ${index}`);
    const made = await Promise.all(
      keys.map(async (key) => {
        const [{ mounts }] = await Promise.all([client.Prepare({ key }), client.Cleanup({})]);
        return ownDirectory(mounts);
      }),
    );
    await client.Cleanup({});
    for (const directory of made) await writeFile(join(directory, 'file'), 'x');
  });
}
