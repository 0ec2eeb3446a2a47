import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFlake } from '../../../src/store-image/flake-reference.ts';
import { parseWanted } from '../../../src/store-image/reference.ts';

const REVISION = '0123456789abcdef0123456789abcdef01234567';
const SOURCE = `${'a'.repeat(32)}-source`;

describe('a flake as a repository and a tag', () => {
  for (const [repository, tag, flake] of [
    [`flake/github/nixos/nixpkgs/${REVISION}`, 'latest', `github:nixos/nixpkgs/${REVISION}`],
    [`flake/github/nixos/nixpkgs/${REVISION}`, 'hello', `github:nixos/nixpkgs/${REVISION}#hello`],
    [`flake/gitlab/a/b/${REVISION}/c/d`, 'E', `gitlab:a/b/${REVISION}#c.d.E`],
    [`flake/path/${SOURCE}`, undefined, `path:/nix/store/${SOURCE}`],
    [`flake/path/${SOURCE}/lower`, 'latest', `path:/nix/store/${SOURCE}#lower`],
  ] as const) {
    it(`${repository}:${tag ?? '(none)'}`, () => {
      assert.equal(parseFlake(repository, tag), flake);
      assert.deepEqual(parseWanted(repository, tag ?? `sha256:${'0'.repeat(64)}`), { kind: 'flake', flake });
    });
  }

  for (const repository of [
    'flake/',
    'flake/nixpkgs',
    'flake/github/nixos/nixpkgs',
    'flake/github/nixos/nixpkgs/main',
    `flake/github/nixos/nixpkgs/${REVISION}0`,
    `flake/git/nixos/nixpkgs/${REVISION}`,
    'flake/path/source',
    'flake/path/etc/passwd',
    `flake/github/a/b#c/${REVISION}`,
    `flake/github/a%2Fb/c/${REVISION}`,
    `flake/path/${SOURCE}/a#b`,
  ]) {
    it(`refuses ${repository}`, () => {
      assert.throws(() => parseFlake(repository, 'hello'), {
        code: 'InvalidArgument',
        message: /names no locked flake/,
      });
    });
  }
});
