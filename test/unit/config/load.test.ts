import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';

it('a duration that no timer can wait for is refused', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'config-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'config.toml');
  await writeFile(file, '[gc]\ngrace = "576h"\n');
  assert.equal((await loadConfig(file, {})).gc.grace, 576 * 3_600_000);
  await writeFile(file, '[gc]\ngrace = "720h"\n');
  await assert.rejects(loadConfig(file, {}), {
    code: 'InvalidArgument',
    message: /gc\.grace: a duration of at most 24 days is expected/,
  });
});
