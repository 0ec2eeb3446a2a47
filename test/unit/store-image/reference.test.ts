import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseWanted } from '../../../src/store-image/reference.ts';
import { parseReference } from '../../../src/image/reference.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const PINNED = `sha256:${'a'.repeat(64)}`;

/** References as users write them, and the path that they name; undefined for the path with the hash. */
const REFERENCES: readonly (readonly [string, string | undefined])[] = [
  [`nix:0/nix/store/${HASH}-hello-2.12:latest`, 'hello-2.12'],
  [`nix:0/nix/store/${HASH}-hello-2.12`, 'hello-2.12'],
  [`nix:0/nix/store/${HASH}-image.tar:v1`, 'image.tar'],
  [`nix:0/nix/store/${HASH}-image.tar@${PINNED}`, 'image.tar'],
  [`nix:0/nix/store/${HASH}-image.tar:v1@${PINNED}`, 'image.tar'],
  [`nix:0/${HASH}-hello`, 'hello'],
  [`nix.local/${HASH}-hello:latest`, 'hello'],
  [`nix:0/${HASH}:Hello-2.12.1_X.tar`, 'Hello-2.12.1_X.tar'],
  [`nix:0/nix/store/${HASH}:Hello`, 'Hello'],
  [`nix:0/${HASH}`, undefined],
  [`nix:0/${HASH}:latest`, undefined],
  [`nix:0/${HASH}@${PINNED}`, undefined],
];

describe('parseWanted', () => {
  for (const [text, name] of REFERENCES) {
    it(`reads ${text}`, () => {
      // What a client asks the registry for: by digest where there is one.
      const { repository, tag, digest } = parseReference(text);
      const wanted = parseWanted(repository, digest ?? tag ?? 'latest');
      assert.deepEqual(
        wanted,
        name === undefined
          ? { kind: 'hash', hash: HASH }
          : { kind: 'path', path: `/nix/store/${HASH}-${name}` },
      );
    });
  }

  for (const repository of [
    'library/busybox',
    HASH.slice(1),
    `${HASH}-`,
    `${HASH}-a/b`,
    `store/${HASH}-hello`,
    `nix/store/nix/store/${HASH}-hello`,
    `${'e'.repeat(32)}-hello`,
    `${HASH}-..`,
    '../etc/passwd',
    '',
  ]) {
    it(`refuses ${JSON.stringify(repository)}`, () => {
      assert.throws(() => parseWanted(repository, 'latest'), {
        code: 'InvalidArgument',
        message: /names no store path; write nix:0\/nix\/store\/<hash>-<name>/,
      });
    });
  }

  it('gives a store path or refuses, whatever it is asked', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (repository, reference) => {
        try {
          const wanted = parseWanted(repository, reference);
          if (wanted.kind === 'path') assert.match(wanted.path, /^\/nix\/store\/[0-9a-z]{32}-[^/]+$/);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'InvalidArgument');
        }
      }),
    );
  });
});
