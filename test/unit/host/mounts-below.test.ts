import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { mountPointsBelow, mountsBelow } from '../../../src/host/mounts-below.ts';

it('mounts below a directory are found where a symlink leads to it', async (t) => {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const places = table.split('\n').map((line) => line.split(' ')[4] ?? '');
  const place = places.find((each) => /^\/[^ \\]+\/[^ \\]+$/.test(each)) ?? '';
  const directory = await mkdtemp(join(tmpdir(), 'mounts-'));
  t.after(async () => await rm(directory, { recursive: true }));
  const link = join(directory, 'link');
  await symlink(dirname(place), link);
  const found = await mountPointsBelow(link, 'self');
  assert.ok(found.includes(place), `${place} is not among ${found.join(', ')}`);
  assert.deepEqual(found, await mountPointsBelow(dirname(place), 'self'));
  assert.equal(await mountsBelow([link]), found.length);
});

it('below a directory that is not there are none', async () => {
  assert.equal(await mountsBelow(['/nowhere/at/all']), 0);
});
