import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { GcRoots } from '../../../src/nix/gc-roots.ts';

describe('GcRoots', () => {
  let base: string;
  let roots: GcRoots;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'roots-'));
    roots = new GcRoots({ directory: join(base, 'gcroots') });
    mkdirSync(roots.directory);
  });
  afterEach(() => rmSync(base, { recursive: true }));

  it('lists snapshots by what is there, dead links and left-overs of Nix included', async () => {
    symlinkSync('/nix/store/nowhere', roots.link(10));
    symlinkSync('/nix/store/nowhere', roots.link(9));
    symlinkSync('/nix/store/nowhere', join(roots.directory, '.0_11'));
    mkdirSync(join(roots.directory, 'other'));
    assert.deepEqual(await roots.list(), [9, 10, 11]);
    assert.deepEqual([roots.has(9), roots.has(11), roots.has(12)], [true, false, false]);
  });

  it('removes everything of one snapshot and nothing of another', async () => {
    for (const name of ['1', '.0_1', '.12_1', '11', '.1_11']) writeFileSync(join(roots.directory, name), '');
    await roots.remove(1);
    await roots.remove(1);
    assert.deepEqual(readdirSync(roots.directory), ['.1_11', '11']);
  });

  it('removes what is left of roots that were being made, and nothing else', async () => {
    for (const name of ['1', '.2_1', '.12_7', '.2_x', 'other'])
      writeFileSync(join(roots.directory, name), '');
    await roots.removeDrafts();
    assert.deepEqual(readdirSync(roots.directory), ['.2_x', '1', 'other']);
  });

  it('names its directory when it cannot be used', async () => {
    writeFileSync(join(base, 'file'), '');
    const broken = new GcRoots({ directory: join(base, 'file', 'gcroots') });
    await assert.rejects(broken.list(), { code: 'Internal', message: /file\/gcroots.*ENOTDIR/ });
  });
});
