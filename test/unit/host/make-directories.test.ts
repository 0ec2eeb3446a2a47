import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { makeDirectories } from '../../../src/host/make-directories.ts';

it('the last directory alone has the mode; those above are for everyone, and what is there stays', async () => {
  const top = await mkdtemp(join(tmpdir(), 'make-directories-'));
  try {
    const modeOf = async (path: string) => (await stat(join(top, path))).mode & 0o777;
    await makeDirectories(join(top, 'a/b/c'), 0o700);
    assert.deepEqual([await modeOf('a'), await modeOf('a/b'), await modeOf('a/b/c')], [0o755, 0o755, 0o700]);
    await mkdir(join(top, 'own'), { mode: 0o711 });
    await makeDirectories(join(top, 'own'), 0o700);
    assert.equal(await modeOf('own'), 0o711);
  } finally {
    await rm(top, { recursive: true });
  }
});
