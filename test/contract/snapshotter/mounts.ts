import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chown, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  commitLayer,
  directoriesOn,
  idOf,
  only,
  ownDirectory,
  type Expectations,
  type Session,
} from './subject.ts';

const UID_MAPPING = 'containerd.io/snapshot/uidmapping';
const GID_MAPPING = 'containerd.io/snapshot/gidmapping';
/** Appended where the kernel has the option (`plugins/snapshots/overlay`). */
const INDEX = existsSync('/sys/module/overlay/parameters/index') ? ['index=off'] : [];

const BAD_MAPPINGS = [
  '1:1000:10',
  '-1:0:1',
  '0:-1:5',
  '0:1:-5',
  'a:b:c',
  '0:0',
  '0:4294967295:10',
  '0:1:4294967295',
  '0:1000:1,',
];

/** The mounts of each kind, the directories behind them, id mappings. containerd `plugins/snapshots/overlay`. */
export function mountTests(session: () => Session, expectations: Expectations): void {
  test('mounts without a parent: a bind of an own directory', async () => {
    const { client, subject } = session();
    for (const [method, option] of [
      ['Prepare', 'rw'],
      ['View', 'ro'],
    ] as const) {
      const { mounts } = await client[method]({ key: `bind ${method}` });
      const source = only(mounts).source;
      assert.equal(source, join(subject.root, 'snapshots', String(idOf(source)), 'fs'));
      assert.deepEqual(mounts, [{ type: 'bind', source, target: '', options: [option, 'rbind'] }]);
      assert.deepEqual((await client.Mounts({ key: `bind ${method}` })).mounts, mounts);
    }
  });

  test('mounts with parents: overlay with the options in order; a view of one parent is a bind of it', async () => {
    const { client } = session();
    const layers: string[] = [];
    for (const [parent, name] of [
      ['', 'chain 1'],
      ['chain 1', 'chain 2'],
      ['chain 2', 'chain 3'],
    ] as const) {
      const { mounts } = await client.Prepare({ key: `${name} key`, parent });
      layers.unshift(ownDirectory(mounts));
      await client.Commit({ name, key: `${name} key` });
      const one = await client.View({ key: `${name} view`, parent: name });
      const lower = `lowerdir=${layers.join(':')}`;
      assert.deepEqual(
        one.mounts,
        layers.length === 1
          ? [{ type: 'bind', source: layers[0], target: '', options: ['ro', 'rbind'] }]
          : [{ type: 'overlay', source: 'overlay', target: '', options: [lower, ...INDEX] }],
      );
      const active = await client.Prepare({ key: `${name} active`, parent: name });
      const upper = ownDirectory(active.mounts);
      const options = [`workdir=${join(dirname(upper), 'work')}`, `upperdir=${upper}`, lower, ...INDEX];
      assert.deepEqual(active.mounts, [{ type: 'overlay', source: 'overlay', target: '', options }]);
      assert.deepEqual((await client.Mounts({ key: `${name} view` })).mounts, one.mounts);
      assert.deepEqual((await client.Mounts({ key: `${name} active` })).mounts, active.mounts);
    }
  });

  test('directories: fs is 0755 whatever the umask of the server, and its way there lets nobody else in', async () => {
    const { client, subject } = session();
    await commitLayer(client, 'mode parent');
    for (const parent of ['', 'mode parent']) {
      const { mounts } = await client.Prepare({ key: `mode ${parent}`, parent });
      assert.equal((await stat(ownDirectory(mounts))).mode & 0o7777, 0o755);
      assert.ok((await stat(join(dirname(ownDirectory(mounts)), 'work'))).isDirectory());
    }
    assert.equal((await stat(join(subject.root, 'snapshots'))).mode & 0o7777, 0o700);
  });

  test('directories: fs belongs to the owner of the fs of its parent', async () => {
    const { client } = session();
    const { mounts } = await client.Prepare({ key: 'owner key' });
    await chown(ownDirectory(mounts), 1234, 5678);
    await client.Commit({ name: 'owner', key: 'owner key' });
    const child = await client.Prepare({ key: 'owner child', parent: 'owner' });
    const { uid, gid } = await stat(ownDirectory(child.mounts));
    assert.deepEqual([uid, gid], [1234, 5678]);
  });

  test('id mappings: options before all others, fs owned by the mapped root', async () => {
    const { client } = session();
    await commitLayer(client, 'mapped 1');
    await commitLayer(client, 'mapped 2', 'mapped 1');
    const mapping = { [UID_MAPPING]: '0:1000:65536', [GID_MAPPING]: '5:9:1,0:2000:65536' };
    const options = ['uidmap=0:1000:65536', 'gidmap=5:9:1,0:2000:65536'];
    const bind = await client.Prepare({ key: 'mapped bind', labels: mapping });
    assert.deepEqual(only(bind.mounts).options, [...options, 'rw', 'rbind']);
    const overlay = await client.Prepare({ key: 'mapped overlay', parent: 'mapped 2', labels: mapping });
    const upper = ownDirectory(overlay.mounts);
    assert.deepEqual(only(overlay.mounts).options.slice(0, 4), [
      ...options,
      `workdir=${join(dirname(upper), 'work')}`,
      `upperdir=${upper}`,
    ]);
    for (const { mounts } of [bind, overlay]) {
      const { uid, gid, mode } = await stat(ownDirectory(mounts));
      assert.deepEqual([uid, gid, mode & 0o7777], [1000, 2000, 0o755]);
    }
    const view = await client.View({ key: 'mapped view', parent: 'mapped 1', labels: mapping });
    assert.deepEqual(only(view.mounts).options, [...options, 'ro', 'rbind']);
    const viewOfTwo = await client.View({ key: 'mapped view 2', parent: 'mapped 2', labels: mapping });
    assert.deepEqual(only(viewOfTwo.mounts).options.slice(0, 2), options);
    assert.deepEqual((await client.Mounts({ key: 'mapped overlay' })).mounts, overlay.mounts);
  });

  test('id mappings: one label alone maps only its ids', async () => {
    const { client } = session();
    const { mounts } = await client.Prepare({
      key: 'mapped uid',
      labels: { [UID_MAPPING]: '0:1000:1,1:5000:100' },
    });
    assert.deepEqual(only(mounts).options, ['uidmap=0:1000:1,1:5000:100', 'rw', 'rbind']);
    const { uid, gid } = await stat(ownDirectory(mounts));
    assert.deepEqual([uid, gid], [1000, 0]);
  });

  for (const label of [UID_MAPPING, GID_MAPPING]) {
    for (const mapping of BAD_MAPPINGS) {
      test(`id mappings: ${label.split('/').at(-1)} ${mapping} is ${expectations.badMapping} and leaves nothing`, async () => {
        const { client, subject } = session();
        const before = await directoriesOn(subject);
        for (const method of ['Prepare', 'View'] as const) {
          const call = client[method]({ key: 'badly mapped', labels: { [label]: mapping } });
          await assert.rejects(call, { code: expectations.badMapping });
        }
        await assert.rejects(client.Stat({ key: 'badly mapped' }), { code: 'NotFound' });
        assert.deepEqual(await directoriesOn(subject), before);
      });
    }
  }
}
