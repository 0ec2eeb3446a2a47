import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { viewsInUse } from '../../../src/view-helper/views-in-use.ts';

const key = (digit: string) => digit.repeat(32);
const overlay = (id: number, lowers: string) =>
  `${id} 1 0:50 / /rootfs rw - overlay overlay rw,lowerdir=${lowers},upperdir=/u,workdir=/w\n`;

describe('viewsInUse', () => {
  let proc: string;
  before(async () => {
    proc = await mkdtemp(join(tmpdir(), 'proc-'));
  });
  after(async () => await rm(proc, { recursive: true }));
  const process = async (pid: string, table: string) => {
    await mkdir(join(proc, pid));
    await writeFile(join(proc, pid, 'mountinfo'), table);
  };

  it('finds lower directories in all mount namespaces, reads each once, and survives processes that end', async () => {
    const views = '/var/lib/nix-snapshotter-view-helper/1000/views';
    const root = (id: number) => `${id} 0 254:0 / / rw - ext4 /dev/root rw\n`;
    await process(
      '1',
      `${root(20)}30 20 0:1 / ${views}/${key('9')}/view ro - overlay overlay ro,lowerdir=m:/nix/store\n`,
    );
    await process('2', root(40) + overlay(41, `${views}/${key('a')}/view/root:/layers/1/fs`));
    await process('3', root(40) + overlay(41, `${views}/${key('b')}/view/root`));
    await process(
      '4',
      root(60) + overlay(61, `/l:../views/${key('c')}/view/root`) + overlay(62, `/${key('d')}/view/roots`),
    );
    await process('5', '');
    await mkdir(join(proc, '6'));
    await mkdir(join(proc, 'sys'));
    assert.deepEqual([...(await viewsInUse(proc))].toSorted(), [key('a'), key('c')]);
  });

  it('reads this host', async () => {
    assert.ok((await viewsInUse()) instanceof Set);
  });
});
