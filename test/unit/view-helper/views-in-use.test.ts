import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { viewsInUse } from '../../../src/view-helper/views-in-use.ts';

const USER = 1000;
const HOST = '0 0 4294967295\n';
const OWN = `0 ${USER} 1\n1 100000 65536\n`;
const VIEWS = '/var/lib/nix-snapshotter-view-helper/1000/views';
const key = (digit: string) => digit.repeat(32);
const root = (id: number) => `${id} 0 254:0 / / rw - ext4 /dev/root rw\n`;
const overlay = (id: number, lowers: string) =>
  `${id} 1 0:50 / /rootfs rw - overlay overlay rw,lowerdir=${lowers},upperdir=/u,workdir=/w\n`;

describe('viewsInUse', () => {
  let proc: string;
  beforeEach(async () => {
    proc = await mkdtemp(join(tmpdir(), 'proc-'));
  });
  afterEach(async () => await rm(proc, { recursive: true }));
  const process = async (pid: string, table: string, map = OWN) => {
    await mkdir(join(proc, pid));
    await writeFile(join(proc, pid, 'uid_map'), map);
    await writeFile(join(proc, pid, 'mountinfo'), table);
  };
  const found = async () => [...(await viewsInUse(USER, proc))].toSorted();

  it('finds lower directories in all mount namespaces, reads each once, and survives processes that end', async () => {
    await process(
      '1',
      `${root(20)}30 20 0:1 / ${VIEWS}/${key('9')}/view ro - overlay overlay ro,lowerdir=m:/nix/store\n`,
    );
    await process('2', root(40) + overlay(41, `${VIEWS}/${key('a')}/view/root:/layers/1/fs`));
    await process('3', root(40) + overlay(41, `${VIEWS}/${key('b')}/view/root`));
    await process(
      '4',
      root(60) + overlay(61, `/l:../views/${key('c')}/view/root`) + overlay(62, `/${key('d')}/view/roots`),
    );
    await process('5', '');
    await mkdir(join(proc, '6'));
    await mkdir(join(proc, 'sys'));
    assert.deepEqual(await found(), [key('a'), key('c')]);
  });

  it('finds paths that begin with the key, wherever they stand', async () => {
    await process('1', root(20) + overlay(21, `${key('a')}/view/root:${key('b')}/view/root`));
    await process('2', root(30) + overlay(31, `/l,lowerdir+=${key('c')}/view/root`));
    await process('3', root(40) + overlay(41, `/x${key('d')}/view/root`));
    assert.deepEqual(await found(), [key('a'), key('b'), key('c')]);
  });

  it('counts namespaces of the user and of ids that the user was granted, no others', async () => {
    const of = (digit: string, id: number) => root(id) + overlay(id + 1, `/x/${key(digit)}/view/root`);
    await process('1', of('a', 20), HOST);
    await process('2', of('b', 30), '0 1001 1\n1 165536 65536\n');
    await process('3', of('c', 40), '0 101000 1000\n');
    await process('4', of('d', 50));
    await process('5', of('e', 60), '');
    assert.deepEqual(await found(), [key('c'), key('d')]);
  });

  it('reads a long table in pieces, and finds what lies across two', async () => {
    const line = overlay(21, `${VIEWS}/${key('a')}/view/root`);
    for (let from = 0; from <= 10; from += 1) {
      await rm(proc, { recursive: true });
      await mkdir(proc);
      // Ends of pieces fall on each part of the name.
      const before = 32 + 64 * 1024 - line.indexOf(key('a')) - from * 5;
      const filler = root(20);
      await process('1', filler + `${'x'.repeat(before - filler.length - 1)}\n${line}`);
      assert.deepEqual(await found(), [key('a')], String(from));
    }
  });

  it('needs little memory for a long table, and lets others have their turn', async () => {
    const many = Array.from({ length: 60_000 }, (_, id) => overlay(id + 20, '/layers/1/fs')).join('');
    await process('1', many + overlay(1, `${VIEWS}/${key('a')}/view/root`));
    const before = globalThis.process.memoryUsage().external;
    const asked = found();
    let most = 0;
    let turns = 0;
    const done = new AbortController();
    void asked.finally(() => done.abort());
    while (!done.signal.aborted) {
      most = Math.max(most, globalThis.process.memoryUsage().external - before);
      turns += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await asked, [key('a')]);
    assert.ok(most < many.length / 4, `${most} bytes of ${many.length}`);
    assert.ok(turns > 20, `${turns} turns`);
  });

  it('reads this host', async () => {
    assert.ok((await viewsInUse(USER)) instanceof Set);
  });
});
