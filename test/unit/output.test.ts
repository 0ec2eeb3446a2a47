import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';

const GUARD = `import { guardOutput } from '${import.meta.resolve('../../src/output.ts')}';`;

/** Runs a script whose standard output leads nowhere: to a reader that has gone, or to a file. */
async function run(script: string, output: 'pipe' | number) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', `${GUARD} ${script}`], {
    stdio: ['pipe', output, 'pipe'],
  });
  child.stdout?.destroy();
  assert.ok(child.stderr !== null);
  const told = text(child.stderr);
  child.stdin?.end('go');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, told: await told };
}

const PRINT = `
  guardOutput('it');
  process.stdin.once('data', () => {
    process.stdout.write('x'.repeat(1e6), () => { process.exitCode = 3; });
  });`;

describe('standard output', () => {
  it('that nobody reads is no failure: the program ends its work', async () => {
    assert.deepEqual(await run(PRINT, 'pipe'), { code: 3, told: '' });
  });

  it('that cannot be written is told in one line', async () => {
    const { code, told } = await run(PRINT, openSync('/dev/full', 'w'));
    assert.equal(code, 1);
    assert.match(
      told,
      /^it: standard output cannot be written: ENOSPC[^\n]*; print to another file or disk\n$/,
    );
  });
});
