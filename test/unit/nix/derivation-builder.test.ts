import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import { DerivationBuilder } from '../../../src/nix/derivation-builder.ts';

const DRV = `/nix/store/${'c'.repeat(32)}-hello.drv` as StorePath;
const here = new AbortController().signal;

describe('DerivationBuilder', () => {
  let dir: string;
  let root: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'derivation-builder-'));
    for (const name of ['bin', 'roots', 'store']) mkdirSync(join(dir, name));
    root = join(dir, 'roots/hello.drv');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** A program of Nix that notes its calls. */
  const program = (name: string, script: string): void => {
    const file = join(dir, 'bin', name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${dir}/calls\n${script}\n`);
    chmodSync(file, 0o755);
  };
  const calls = (name: string): string[] =>
    readFileSync(join(dir, 'calls'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${name} `));
  const builder = (timeoutMs = 60_000): DerivationBuilder => {
    const nix = { realStoreDir: async () => join(dir, 'store'), valid: async () => new Set<StorePath>() };
    const options = { program: join(dir, 'bin/nix-store'), timeoutMs };
    return new DerivationBuilder(options, { nix, env: process.env, log: silentLog });
  };

  it('builds again what a collection took before it was rooted, under the time limit', async () => {
    const collected = `[ -e ${dir}/once ] && mkdir ${dir}/store/out; touch ${dir}/once`;
    program('nix-store', `ln -sfn /nix/store/out ${root}; ${collected}; exit 0`);
    await builder(90_000).realise([DRV], root);
    assert.equal(calls('nix-store').length, 2);
    assert.match(calls('nix-store')[0] ?? '', /--realise .*hello\.drv .*--option timeout 90$/);
    assert.ok(existsSync(join(dir, 'store/out')));
  });

  it('leaves no root of what is taken each time', async () => {
    program('nix-store', `ln -sfn /nix/store/out ${root}; ln -sfn /nix/store/dev ${root}-dev`);
    await assert.rejects(builder().realise([DRV], root), {
      code: 'Unavailable',
      message: /took it 2 times/,
    });
    assert.equal(calls('nix-store').length, 2);
    await assert.rejects(async () => readFileSync(root), { code: 'ENOENT' });
  });

  it('roots what it evaluated, and evaluates again what a collection took meanwhile', async () => {
    program('nix', `echo ${DRV}`);
    const made = `ln -sfn /nix/store/root.drv ${root}; mkdir ${dir}/store/root.drv`;
    program(
      'nix-instantiate',
      `cat > ${dir}/input; [ -e ${dir}/once ] || { touch ${dir}/once; exit 1; }; ${made}`,
    );
    assert.equal(await builder().instantiate('path:x', root, here), DRV);
    assert.deepEqual([calls('nix').length, calls('nix-instantiate').length], [2, 2]);
    assert.ok(readFileSync(join(dir, 'input'), 'utf8').includes(`"${DRV}"`));
  });

  it('stops an evaluation that takes too long, and says which setting allows more', async () => {
    program('nix', 'exec sleep 60');
    await assert.rejects(builder(200).instantiate('path:x', root, here), {
      code: 'FailedPrecondition',
      message: 'evaluate path:x: not finished in 0.2 s; mend it, or raise resolver.build_timeout',
    });
  });
});
