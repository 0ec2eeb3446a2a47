import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import * as v from 'valibot';
import { configSchema } from '../../../src/config/schema.ts';
import { startDaemon } from '../../../src/daemon/start.ts';
import { silentLog } from '../../../src/log.ts';

it('a root that the Go version has filled is refused, and nothing in it is removed', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'go-root-'));
  t.after(() => rm(directory, { recursive: true }));
  const root = join(directory, 'root');
  await mkdir(join(root, 'snapshots/7/fs'), { recursive: true });
  await writeFile(join(root, 'metadata.db'), '');
  const config = v.parse(configSchema, { root });
  const endpoint = { path: join(directory, 'socket') };
  await assert.rejects(startDaemon({ config, endpoint }, { log: silentLog }), {
    code: 'FailedPrecondition',
    message: /root .*\/root belongs to the Go version of nix-snapshotter .*metadata\.db.*crictl rmi/,
  });
  assert.ok(existsSync(join(root, 'snapshots/7/fs')));
  assert.equal(existsSync(join(root, 'metadata')), false);
});
