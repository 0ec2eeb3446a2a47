import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { pathImage } from '../../../src/store-image/path-image.ts';

const HASH = '0'.repeat(32);

describe('pathImage', () => {
  let realStoreDir = '';
  before(() => {
    realStoreDir = mkdtempSync(join(tmpdir(), 'store-'));
    writeFileSync(join(realStoreDir, `${HASH}-script`), '#!/bin/sh\n', { mode: 0o755 });
    for (const [name, ...programs] of [
      ['hello-2.12.1', 'hello', 'other'],
      ['tool-1.0', 'odd'],
      ['several', 'one', 'two'],
      ['data'],
    ] as const) {
      mkdirSync(join(realStoreDir, `${HASH}-${name}`, 'bin'), { recursive: true });
      for (const program of programs) writeFileSync(join(realStoreDir, `${HASH}-${name}/bin/${program}`), '');
    }
  });
  after(() => rmSync(realStoreDir, { recursive: true }));

  const imageOf = async (name: string) => {
    const path = `/nix/store/${HASH}-${name}` as StorePath;
    const nix = { closure: () => Promise.resolve([path]) };
    await using image = await pathImage(path, { nix, store: new StoreFiles({ realStoreDir }) });
    const manifest = (await json(await image.target.open())) as { config: { digest: string } };
    const config = await image.blobs.get(manifest.config.digest)?.open();
    assert.ok(config !== undefined);
    const { config: run } = (await json(config)) as { config: { Entrypoint?: string[]; Env?: string[] } };
    return { path, digest: image.target.descriptor.digest, ...run };
  };

  for (const [name, program] of [
    ['hello-2.12.1', '/bin/hello'],
    ['tool-1.0', '/bin/odd'],
    ['several', undefined],
    ['data', undefined],
  ] as const) {
    it(`of ${name} runs ${program ?? 'nothing by itself'}`, async () => {
      const { path, Entrypoint, Env } = await imageOf(name);
      assert.deepEqual(Entrypoint, program === undefined ? undefined : [`${path}${program}`]);
      assert.deepEqual(Env, [`PATH=${path}/bin`]);
    });
  }

  it('of a file runs it', async () => {
    const { path, Entrypoint, Env } = await imageOf('script');
    assert.deepEqual([Entrypoint, Env], [[path], undefined]);
  });

  it('is the same each time', async () => {
    assert.equal((await imageOf('tool-1.0')).digest, (await imageOf('tool-1.0')).digest);
  });
});
