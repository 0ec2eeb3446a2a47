import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { HELD_STORE_MODE, recoverClosure } from '../../../src/closure/recover.ts';
import { scanLayer } from '../../../src/snapshot/scan-layer.ts';

const NAME = '00000000000000000000000000000000-a';

it('a layer with names that are not UTF-8 is an ordinary layer', async (t) => {
  const fs = await mkdtemp(join(tmpdir(), 'scan-layer-'));
  t.after(() => rm(fs, { recursive: true }));
  await mkdir(join(fs, 'nix', 'store', NAME), { recursive: true });
  assert.notEqual(recoverClosure(scanLayer(fs)), undefined);
  const raw = (name: string) => Buffer.concat([Buffer.from(`${fs}/${name}`), Buffer.from([0xff])]);
  await writeFile(raw('file-'), '');
  await symlink(`/nix/store/${NAME}`, raw('link-'));
  await mkdir(raw('directory-'));
  assert.deepEqual(
    [...scanLayer(fs)].filter(({ path }) => path.endsWith('\uFFFD')).map(({ kind }) => kind),
    ['other', 'other', 'other'],
  );
  assert.equal(recoverClosure(scanLayer(fs)), undefined);
});

it('a layer that holds a link or an empty directory of the store is an ordinary layer', async (t) => {
  const fs = await mkdtemp(join(tmpdir(), 'scan-layer-'));
  t.after(() => rm(fs, { recursive: true }));
  const store = join(fs, 'nix', 'store');
  await mkdir(join(store, NAME), { recursive: true });
  assert.notEqual(recoverClosure(scanLayer(fs)), undefined);
  await chmod(store, HELD_STORE_MODE);
  assert.equal(recoverClosure(scanLayer(fs)), undefined);
});

it('a directory is read no further than a layer is looked at', async (t) => {
  const fs = await mkdtemp(join(tmpdir(), 'scan-layer-'));
  t.after(() => rm(fs, { recursive: true }));
  const store = join(fs, 'nix', 'store');
  await mkdir(store, { recursive: true });
  const count = 3000;
  const files = Array.from({ length: count }, (_, at) =>
    Buffer.concat([Buffer.from(`${store}/${NAME}${at}`), Buffer.from([0xff])]),
  );
  for (const file of files) await writeFile(file, '');
  const entries = scanLayer(fs);
  entries.next();
  for (const file of files) await unlink(file);
  const known = [...entries].length;
  assert.ok(known < count / 2, `${known} of ${count} were in memory`);
});

it('a layer with more entries than are looked at is an ordinary layer', async (t) => {
  const fs = await mkdtemp(join(tmpdir(), 'scan-layer-'));
  t.after(() => rm(fs, { recursive: true }));
  for (const name of ['a', 'b', 'c'])
    await mkdir(join(fs, 'nix', 'store', `${NAME}${name}`), { recursive: true });
  const entries = [...scanLayer(fs)].length;
  assert.equal(entries, 4);
  assert.notEqual(recoverClosure(scanLayer(fs, entries)), undefined);
  assert.equal(recoverClosure(scanLayer(fs, entries - 1)), undefined);
  assert.equal([...scanLayer(fs, 2)].length, 3);
});
