import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { removeTree } from '../../../src/host/snapshot-directory.ts';

describe('removeTree', () => {
  it('removes directories nested deeper than a path can be long', async (t) => {
    const top = await mkdtemp(join(tmpdir(), 'remove-tree-'));
    t.after(() => removeTree(top));
    const [deep, rest] = [join(top, 'deep'), join(top, 'rest')];
    const levels = Array.from({ length: 15 }, () => 'x'.repeat(200)).join('/');
    await mkdir(join(deep, levels), { recursive: true });
    await mkdir(join(rest, levels), { recursive: true });
    await rename(rest, join(deep, levels, 'rest'));
    await removeTree(deep);
    assert.deepEqual(await readdir(top), []);
  });

  it('takes a directory that is not there for removed', async () => {
    await removeTree('/proc/self/absent');
  });
});
