import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ownDirectory, type Session } from './subject.ts';

const run = promisify(execFile);

/** Usage: what is counted, and when. containerd `plugins/snapshots/overlay` and continuity's DiskUsage. */
export function usageTests(session: () => Session): void {
  test('Usage: a missing key is NotFound', async () => {
    await assert.rejects(session().client.Usage({ key: 'nowhere' }), {
      code: 'NotFound',
      message: /: not found$/,
    });
  });

  test('Usage: an active snapshot is counted as du counts its own files, live', async () => {
    const { client } = session();
    const { mounts } = await client.Prepare({ key: 'usage active' });
    const fs = ownDirectory(mounts);
    assert.deepEqual(await client.Usage({ key: 'usage active' }), await du(fs));
    assert.equal((await client.Usage({ key: 'usage active' })).inodes, 1n);
    await fill(fs);
    const usage = await client.Usage({ key: 'usage active' });
    assert.deepEqual(usage, await du(fs));
    assert.equal(usage.inodes, 6n);
  });

  test('Usage: a committed snapshot keeps the count of its commit; a child counts only its own', async () => {
    const { client } = session();
    const { mounts } = await client.Prepare({ key: 'usage key' });
    const fs = ownDirectory(mounts);
    await fill(fs);
    const expected = await du(fs);
    await client.Commit({ name: 'usage committed', key: 'usage key' });
    assert.deepEqual(await client.Usage({ key: 'usage committed' }), expected);
    await writeFile(join(fs, 'late'), 'x');
    assert.deepEqual(await client.Usage({ key: 'usage committed' }), expected);
    const child = await client.Prepare({ key: 'usage child', parent: 'usage committed' });
    assert.deepEqual(await client.Usage({ key: 'usage child' }), await du(ownDirectory(child.mounts)));
  });

  test('Usage: a view has none', async () => {
    const { client } = session();
    await client.View({ key: 'usage view' });
    assert.deepEqual(await client.Usage({ key: 'usage view' }), { size: 0n, inodes: 0n });
  });
}

/** A directory, a file with two names, a symlink, a sparse file and one with a name of odd bytes: five inodes. */
async function fill(fs: string): Promise<void> {
  await mkdir(join(fs, 'directory'));
  await writeFile(join(fs, 'directory', 'file'), 'x'.repeat(50_000));
  await link(join(fs, 'directory', 'file'), join(fs, 'second name'));
  await symlink('/nowhere/at/all', join(fs, 'link'));
  await writeFile(join(fs, 'sparse'), '');
  await truncate(join(fs, 'sparse'), 1 << 30);
  await writeFile(Buffer.concat([Buffer.from(`${fs}/`), Buffer.from([0xff, 0xfe, 0x0a])]), 'odd');
}

async function du(path: string): Promise<{ size: bigint; inodes: bigint }> {
  const size = await run('du', ['-s', '--block-size=1', path]);
  const inodes = await run('du', ['-s', '--inodes', path]);
  return { size: count(size.stdout), inodes: count(inodes.stdout) };
}

function count(output: string): bigint {
  return BigInt(output.split('\t')[0] ?? '');
}
