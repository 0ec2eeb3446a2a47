import assert from 'node:assert/strict';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { lockRoot } from '../../../src/view-helper/root-lock.ts';

describe('lockRoot', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'root-lock-'));
  });
  afterEach(async () => await rm(root, { recursive: true }));

  it('is had by one at a time, and leaves nothing', async () => {
    {
      await using _ = await lockRoot(root);
      await assert.rejects(lockRoot(root), {
        code: 'FailedPrecondition',
        message: /root-lock-.* \(view_helper\.root\) cannot be locked; does another view helper use it\?/,
      });
    }
    assert.deepEqual(await readdir(root), []);
    await using _ = await lockRoot(root);
  });

  it('is had by the next one after a process that was killed', async () => {
    const killed = createServer();
    await new Promise<void>((listening) => killed.listen(join(root, 'own'), listening));
    await rename(join(root, 'own'), join(root, 'lock'));
    await new Promise((closed) => killed.close(closed));
    assert.deepEqual(await readdir(root), ['lock']);
    await using _ = await lockRoot(root);
  });
});
