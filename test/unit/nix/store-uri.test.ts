import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storeSetting } from '../../../src/nix/ask-store-uri.ts';
import { realStoreDirOf } from '../../../src/nix/store-uri.ts';

describe('realStoreDirOf', () => {
  const known: readonly [uri: string, dir: string][] = [
    ['', '/nix/store'],
    ['auto', '/nix/store'],
    ['daemon', '/nix/store'],
    ['local', '/nix/store'],
    ['unix:///run/nix.sock', '/nix/store'],
    ['/mnt', '/mnt/nix/store'],
    ['local?root=/mnt', '/mnt/nix/store'],
    ['local://?root=/mnt%2Fa', '/mnt/a/nix/store'],
    ['local:///mnt', '/mnt/nix/store'],
    ['local?real=/data/store', '/data/store'],
    ['local?root=/mnt&real=/data/a+b', '/data/a+b'],
    ['unix:///run/nix.sock?root=/mnt', '/mnt/nix/store'],
    ['local?store=/nix/store', '/nix/store'],
  ];
  for (const [uri, dir] of known)
    it(`${uri || '(empty)'} is ${dir}`, () => assert.equal(realStoreDirOf(uri), dir));

  for (const uri of [
    'https://cache.example',
    'ssh-ng://host',
    's3://x',
    'local?store=/gnu/store',
    'local?real=a',
  ]) {
    it(`refuses ${uri}`, () => assert.throws(() => realStoreDirOf(uri), { code: 'InvalidArgument' }));
  }
});

describe('storeSetting', () => {
  it('reads a bare value', () => assert.equal(storeSetting('local?root=/x\n'), 'local?root=/x'));
  it('finds the setting among others', () => {
    assert.equal(storeSetting('sandbox = true\nstore = daemon\nsystem = x\n'), 'daemon');
  });
  it('is undefined when there is none', () => assert.equal(storeSetting('a = b\nc = d\n'), undefined));
});
