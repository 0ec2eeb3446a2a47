import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { layerDiffId, layerTar } from '../../../src/closure/layer-tar.ts';
import type { LayerEntry, StoreEntry } from '../../../src/closure/nix-layer.ts';

const DIRECTORY: StoreEntry = { kind: 'directory' };
const FILE: StoreEntry = { kind: 'file' };

const link = (path: string, target: string): LayerEntry => ({ path, entry: { kind: 'symlink', target } });

const name = fc.oneof(
  fc.stringMatching(/^[a-zA-Z0-9+?=_.-]{1,120}$/),
  fc.stringMatching(/^[a-zü€😀 =]{1,40}$/u),
);
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const layerEntry: fc.Arbitrary<LayerEntry> = fc.oneof(
  fc.record({ path, entry: fc.constantFrom(DIRECTORY, FILE) }),
  fc.record({ path, entry: fc.constant(FILE), content: fc.string({ unit: 'grapheme', maxLength: 1200 }) }),
  fc.tuple(path, path).map(([from, to]) => link(from, to)),
);

async function digestOf(entries: readonly LayerEntry[]): Promise<string> {
  const tar = await buffer(layerTar(entries));
  return `sha256:${createHash('sha256').update(tar).digest('hex')}`;
}

describe('layerTar', () => {
  it('is read by GNU tar', async () => {
    const deep = `${'d'.repeat(120)}/${'e'.repeat(120)}/ü`;
    const store = `nix/store/${'l'.repeat(244)}`;
    const entries = [
      { path: 'nix', entry: DIRECTORY },
      { path: 'nix/marker', entry: FILE, content: 'text\n' },
      { path: store, entry: FILE },
      { path: `${store}.dir`, entry: DIRECTORY },
      { path: `nix/store/${'p'.repeat(110)}`, entry: DIRECTORY },
      link(deep, `/${store}`),
    ];
    const input = await buffer(layerTar(entries));
    const list = execFileSync(
      'tar',
      ['--list', '--verbose', '--numeric-owner', '--quoting-style=literal', '-f', '-'],
      {
        input,
        env: { PATH: process.env['PATH'], TZ: 'UTC', LC_ALL: 'C.UTF-8' },
        encoding: 'utf8',
      },
    );
    const time = '1970-01-01 00:00';
    assert.deepEqual(
      list
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/ +/g, ' ')),
      [
        `drwxr-xr-x 0/0 0 ${time} nix/`,
        `-r-xr-xr-x 0/0 5 ${time} nix/marker`,
        `-r-xr-xr-x 0/0 0 ${time} ${store}`,
        `drwxr-xr-x 0/0 0 ${time} ${store}.dir/`,
        `drwxr-xr-x 0/0 0 ${time} nix/store/${'p'.repeat(110)}/`,
        `lrwxrwxrwx 0/0 0 ${time} ${deep} -> /${store}`,
      ],
    );
    const content = execFileSync('tar', ['--extract', '--to-stdout', '-f', '-', 'nix/marker'], { input });
    assert.equal(content.toString(), 'text\n');
  });
});

describe('layerDiffId', () => {
  it('is the digest of the tar', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(layerEntry, { maxLength: 6 }), async (entries) => {
        assert.equal(await layerDiffId(entries), await digestOf(entries));
      }),
    );
  });

  it('lets other work go on between the parts of a large layer', async () => {
    const entries = Array.from({ length: 5000 }, (_, i) => ({ path: `nix/store/${i}`, entry: DIRECTORY }));
    const digest = layerDiffId(entries);
    let turns = 0;
    while ((await Promise.race([digest, setImmediate('')])) === '') turns += 1;
    assert.ok(turns >= 10, `${turns} turns of the event loop`);
    assert.equal(await digest, await digestOf(entries));
  });
});
