import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseStoreReference } from '../../../src/store-image/image-reference.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const DIGEST = `sha256:${'a'.repeat(64)}`;
const path = { kind: 'path', path: `/nix/store/${HASH}-hello` };

describe('parseStoreReference', () => {
  for (const [text, expected] of [
    [`nix:0/nix/store/${HASH}-hello`, { name: `nix:0/nix/store/${HASH}-hello`, tag: 'latest', wanted: path }],
    [`nix:0/nix/store/${HASH}-hello:v1`, { name: `nix:0/nix/store/${HASH}-hello`, tag: 'v1', wanted: path }],
    [`nix.local/${HASH}-hello`, { name: `nix.local/${HASH}-hello`, tag: 'latest', wanted: path }],
    [`nix:0/${HASH}-hello@${DIGEST}`, { name: `nix:0/${HASH}-hello`, digest: DIGEST, wanted: path }],
    [`nix:0/${HASH}-hello:v1@${DIGEST}`, { name: `nix:0/${HASH}-hello`, digest: DIGEST, wanted: path }],
    [
      `nix:0/${HASH}:Hello`,
      { name: `nix:0/${HASH}`, tag: 'Hello', wanted: { kind: 'path', path: `/nix/store/${HASH}-Hello` } },
    ],
    [`nix:0/${HASH}`, { name: `nix:0/${HASH}`, tag: 'latest', wanted: { kind: 'hash', hash: HASH } }],
    [
      `nix:0/${HASH}@${DIGEST}`,
      { name: `nix:0/${HASH}`, digest: DIGEST, wanted: { kind: 'hash', hash: HASH } },
    ],
  ] as const) {
    it(`reads ${text}`, () => assert.deepEqual(parseStoreReference(text), expected));
  }

  for (const text of [
    'busybox',
    'nix:0',
    'nix:latest',
    'nix.local',
    `nix.local.example/${HASH}-x`,
    'nix:01/x',
    '',
  ]) {
    it(`leaves ${JSON.stringify(text)} to registries`, () =>
      assert.equal(parseStoreReference(text), undefined));
  }

  for (const text of [
    'nix:0/hello',
    'nix:0/',
    `nix:0/nix/store/${HASH}-hello/bin`,
    `nix:0/${HASH}-Hello`,
    `nix:0/../../etc/passwd`,
    `nix:0/${HASH}-hello@sha256:1`,
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseStoreReference(text), { code: 'InvalidArgument' });
    });
  }
});
