import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../../src/errors.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { debianDir } from '../sandbox/layout.ts';

const NAME = `test-${process.pid}`;
const script = fileURLToPath(new URL('debian-base-builder.ts', import.meta.url));

describe('Debian base folder', { skip: sandboxUnavailable() ?? false }, () => {
  const clean = async () => {
    for (const left of existsSync(debianDir) ? readdirSync(debianDir) : []) {
      if (left.startsWith(NAME)) await rm(`${debianDir}/${left}`, { recursive: true });
    }
  };
  before(clean);
  after(clean);

  it('is rebuilt after its builder was killed half-way, once for two builders', async () => {
    const killed = builder();
    while (halfBuilt() === undefined) await sleep(20);
    killed.child.kill('SIGKILL');
    await killed.ended;
    while (processesNaming(`${debianDir}/${NAME}`).length > 0) await sleep(20);
    assert.equal(existsSync(`${debianDir}/${NAME}`), false);
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`/${NAME}`));

    const two = [builder(), builder()];
    const outputs = await Promise.all(two.map(async ({ ended }) => await ended));
    assert.deepEqual(
      outputs.map((text) => text.trim().split('\n').at(-1)),
      ['tini installed', 'tini installed'],
    );
    assert.equal(outputs.filter((text) => text.includes('unpacking Debian')).length, 1);
    assert.equal(halfBuilt(), undefined);

    await rm(`${debianDir}/${NAME}/.stamp`);
    assert.match(await builder('no-network').ended, /cannot build the Debian folder/);
    assert.equal(existsSync(`${debianDir}/${NAME}`), false);
    assert.equal(halfBuilt(), undefined);
  });
});

function builder(mode = 'build') {
  const child = spawn(process.execPath, [script, NAME, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  return { child, ended: once(child, 'close').then(() => text) };
}

/** The folder under construction, once a file system begins to show in it. */
function halfBuilt(): string | undefined {
  if (!existsSync(debianDir)) return undefined;
  return readdirSync(debianDir).find(
    (name) => name.startsWith(`${NAME}.tmp-`) && existsSync(`${debianDir}/${name}/usr/bin`),
  );
}

function processesNaming(text: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(text));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    assert.ok(['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? ''), String(error));
    return '';
  }
}
