import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { execa } from 'execa';
import { sandboxUnavailable } from '../sandbox/available.ts';

const SHARE = `
  import { readFileSync } from 'node:fs';
  import { shareMounts } from '${import.meta.resolve('../../src/host/shared-mount.ts')}';
  const [directory, real] = process.argv.slice(1);
  for (const _ of [1, 2]) await shareMounts(directory);
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\\n');
  console.log(lines.filter((line) => line.split(' ')[4] === real && line.includes(' shared:')).length);`;

it('mounts below a directory are shared once, where a symlink leads to it', {
  skip: sandboxUnavailable(),
}, async (t) => {
  const top = await mkdtemp(join(tmpdir(), 'shared-'));
  t.after(async () => await rm(top, { recursive: true }));
  const [real, link] = [join(top, 'real'), join(top, 'link')];
  await mkdir(real);
  await symlink(real, link);
  const namespace = ['--mount', '--propagation', 'private'];
  const script = [process.execPath, '--input-type=module', '--eval', SHARE, link, real];
  const { stdout } = await execa('unshare', [...namespace, ...script]);
  assert.equal(stdout, '1');
});
