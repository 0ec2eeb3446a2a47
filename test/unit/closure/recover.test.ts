import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import * as fc from 'fast-check';
import { LAYER_MARKER, recoverClosure, type ListedEntry } from '../../../src/closure/recover.ts';
import { parseStorePath } from '../../../src/closure/store-path.ts';
import { scanLayer } from '../../../src/snapshot/scan-layer.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const A = `${HASH}-a`;
const B = `${HASH}-b`;
const INFO = `/nix/store/${HASH}-closure-info`;

/** Files by path: text is a file, `null` a directory, `-> x` a symlink. */
type Tree = Readonly<Record<string, string | null>>;

describe('recovery of a closure from a layer', () => {
  let fs: string;
  beforeEach(() => {
    fs = mkdtempSync(join(tmpdir(), 'layer-'));
  });
  afterEach(() => rmSync(fs, { recursive: true }));

  function recover(tree: Tree) {
    for (const [path, content] of Object.entries(tree)) {
      const place = join(fs, path);
      mkdirSync(content === null ? place : dirname(place), { recursive: true });
      if (content?.startsWith('-> ')) symlinkSync(content.slice(3), place);
      else if (content !== null) writeFileSync(place, content);
    }
    return recoverClosure(scanLayer(fs));
  }

  const goLayer: Tree = {
    [`nix/store/${A}`]: null,
    [`nix/store/${B}`]: '',
    'bin/hello': `-> /nix/store/${A}/bin/hello`,
    'share/empty': null,
  };
  const found = { kind: 'paths', paths: [`/nix/store/${A}`, `/nix/store/${B}`] };

  it('takes what the Go tool writes', () => assert.deepEqual(recover(goLayer), found));

  it('takes a store path that is a symlink', () => {
    assert.deepEqual(
      recover({ [`nix/store/${A}`]: null, [`nix/store/${B}`]: `-> /nix/store/${A}/x` }),
      found,
    );
  });

  const ordinary: Readonly<Record<string, Tree>> = {
    'a file in a store path': { ...goLayer, [`nix/store/${A}/bin/hello`]: 'x' },
    'a directory in a store path': { ...goLayer, [`nix/store/${A}/bin`]: null },
    'a store path with content': { ...goLayer, [`nix/store/${B}`]: 'x' },
    'a name that is no store path': { ...goLayer, 'nix/store/.links': null },
    'a file elsewhere': { ...goLayer, 'etc/passwd': 'root' },
    'an empty file elsewhere': { ...goLayer, 'etc/resolv.conf': '' },
    'a link that leads elsewhere': { ...goLayer, 'bin/sh': '-> /bin/busybox' },
    'a link to a path that is not in the closure': { ...goLayer, 'bin/sh': `-> /nix/store/${HASH}-c/bin/sh` },
    'a link that climbs': { ...goLayer, 'bin/sh': `-> /nix/store/../${A}` },
    'an empty store': { 'nix/store': null },
    'no store': { 'bin/x': `-> /nix/store/${A}/x` },
    'a store that is a link': { 'real/store': null, nix: '-> real' },
    'a marker that names no store path': { ...goLayer, [LAYER_MARKER]: '/etc' },
  };
  for (const [what, tree] of Object.entries(ordinary)) {
    it(`leaves a layer alone that has ${what}`, () => assert.equal(recover(tree), undefined));
  }

  it('believes the closureInfo path of the marker', () => {
    assert.deepEqual(recover({ 'nix/store': null, 'etc/passwd': 'root', [LAYER_MARKER]: `${INFO}\n` }), {
      kind: 'closure-info',
      path: INFO,
    });
  });

  it('takes the mount points of a layer with an empty marker, whatever else it holds', () => {
    assert.deepEqual(recover({ ...goLayer, 'etc/passwd': 'root', [LAYER_MARKER]: '' }), found);
  });

  it('leaves a marked layer with real content in the store alone', () => {
    assert.equal(recover({ [`nix/store/${A}/bin`]: null, [LAYER_MARKER]: '' }), undefined);
  });

  it('does not follow a marker that is a symlink', () => {
    assert.equal(recover({ 'nix/store': null, [LAYER_MARKER]: '-> /etc/passwd' }), undefined);
  });

  it('looks no further than it must', () => {
    const endless = function* (): Generator<ListedEntry> {
      yield { path: 'nix/store/no-store-path', kind: 'directory' };
      throw new Error('looked further');
    };
    assert.equal(recoverClosure(endless()), undefined);
  });

  it('recovers nothing but legal store paths', () => {
    const text = fc.oneof(
      fc.constantFrom(`nix/store/${A}`, `nix/store/${A}/..`, 'nix/store/..', 'etc'),
      fc.string(),
    );
    const listed = fc.oneof(
      text.map((path): ListedEntry => ({ path, kind: 'directory' })),
      fc.tuple(text, fc.boolean()).map(([path, empty]): ListedEntry => ({ path, kind: 'file', empty })),
      fc.tuple(text, text).map(([path, target]): ListedEntry => ({ path, kind: 'symlink', target })),
    );
    fc.assert(
      fc.property(fc.array(listed), (entries) => {
        const closure = recoverClosure(entries);
        if (closure?.kind !== 'paths') return;
        assert.ok(closure.paths.every((path) => parseStorePath(path) === path));
      }),
    );
  });
});
