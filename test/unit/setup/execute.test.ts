import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execute } from '../../../src/setup/execute.ts';
import { ownFile } from '../../../src/setup/file-change.ts';
import { NodeFiles } from '../../../src/setup/node-files.ts';
import { setupSteps, undoSteps } from '../../../src/setup/steps.ts';

const [FIRST, SECOND] = ['/etc/first', '/etc/second'];
const ROOT = '/root';

describe('a file that somebody changes while setup runs', () => {
  let rootDir: string;
  let files: NodeFiles;
  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'execute-'));
    files = new NodeFiles({ rootDir, onlyRead: false });
    await mkdir(join(rootDir, 'etc'));
  });
  afterEach(async () => await rm(rootDir, { recursive: true }));

  const told = { code: 'Aborted', message: /^\/etc\/second was changed .*; run setup again$/ };
  const theirs = async () => await writeFile(join(rootDir, SECOND), 'theirs');
  const changes = [FIRST, SECOND].map((path) => ({
    change: { ...ownFile(path, 'ours'), removal: { kind: 'lines', lines: ['ours'] } as const },
    targets: ['containerd'] as const,
  }));

  for (const [what, before] of [
    ['is not overwritten', 'before'],
    ['where none was is not overwritten', undefined],
  ] as const) {
    it(`${what}, and the files before it are taken back`, async () => {
      if (before !== undefined) await writeFile(join(rootDir, SECOND), before);
      const state = await files.read(SECOND);
      const steps = setupSteps(changes, new Map(state === undefined ? [] : [[SECOND, state]]), {});
      await theirs();
      await assert.rejects(execute({ root: ROOT, steps }, files), told);
      assert.equal(await readFile(join(rootDir, SECOND), 'utf8'), 'theirs');
      assert.deepEqual(await readdir(join(rootDir, 'etc')), ['second']);
      assert.deepEqual(await readdir(join(rootDir, ROOT)), []);
    });
  }

  it('is not removed by undo', async () => {
    const { manifest, ...steps } = setupSteps(changes, new Map(), {});
    await execute({ root: ROOT, steps: { ...steps, manifest } }, files);
    const state = { text: 'ours', mode: 0o644 };
    const undo = undoSteps(['containerd'], new Map([FIRST, SECOND].map((path) => [path, state])), manifest);
    await theirs();
    await assert.rejects(execute({ root: ROOT, steps: undo }, files), told);
    assert.equal(await readFile(join(rootDir, SECOND), 'utf8'), 'theirs');
    assert.equal(await readFile(join(rootDir, FIRST), 'utf8'), 'ours');
  });
});
