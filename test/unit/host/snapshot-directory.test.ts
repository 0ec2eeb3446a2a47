import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { removeTree } from '../../../src/host/snapshot-directory.ts';

const run = promisify(execFile);

describe('removeTree', () => {
  it('removes directories nested deeper than a path can be long', async (t) => {
    const top = await mkdtemp(join(tmpdir(), 'remove-tree-'));
    t.after(() => rm(top, { recursive: true }));
    const deep = join(top, 'deep');
    await mkdir(deep);
    const nest = 'n=$(printf %0200d 0); for _ in $(seq 25); do mkdir "$n"; cd "$n"; done';
    await run('sh', ['-c', nest], { cwd: deep });
    await removeTree(deep);
    assert.deepEqual(await readdir(top), []);
  });

  it('takes a directory that is not there for removed', async () => {
    await removeTree('/proc/self/absent');
  });
});
