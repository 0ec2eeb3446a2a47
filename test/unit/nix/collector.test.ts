import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { collectorEnded, collectorLock, holdsExclusively } from '../../../src/nix/collector.ts';

describe('the garbage collector', () => {
  let directory = '';
  let lock = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'collector-'));
    lock = collectorLock(join(directory, 'nix', 'store'));
    await mkdir(dirname(lock), { recursive: true });
  });
  after(() => rm(directory, { recursive: true }));

  it('has its lock beside the store', () => {
    assert.equal(collectorLock('/nix/store'), '/nix/var/nix/gc.lock');
    assert.equal(lock, `${directory}/nix/var/nix/gc.lock`);
  });

  it('is taken for ended where it never ran', async () => {
    assert.equal(await collectorEnded(lock, 0, undefined), true);
  });

  it('is waited for while it holds its lock, and not for ever', async () => {
    await writeFile(lock, '');
    const holder = spawn('flock', ['--exclusive', lock, '-c', 'echo held; read end'], { stdio: 'pipe' });
    await once(holder.stdout, 'data');
    assert.equal(await collectorEnded(lock, 50, undefined), false);
    const ended = collectorEnded(lock, 600_000, undefined);
    holder.stdin.end('\n');
    assert.equal(await ended, true);
  });

  it('does not count as running for a shared lock, or one on another file', async () => {
    const { ino } = await stat(lock, { bigint: true });
    const line = (kind: string, inode: bigint) => `1: FLOCK  ADVISORY  ${kind} 77 fe:00:${inode} 0 EOF\n`;
    assert.equal(holdsExclusively(line('WRITE', ino), ino), true);
    assert.equal(holdsExclusively(line('READ ', ino), ino), false);
    assert.equal(holdsExclusively(line('WRITE', ino * 10n), ino), false);
    assert.equal(holdsExclusively(line('WRITE', ino).replace('FLOCK', 'POSIX'), ino), false);
    assert.equal(holdsExclusively('', ino), false);
  });
});
