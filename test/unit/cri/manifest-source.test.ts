import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manifestSource } from '../../../src/cri/manifest-source.ts';
import { StatusError, type StatusCode } from '../../../src/errors.ts';
import { sha256 } from '../../../src/image/descriptor.ts';

const BYTES = Buffer.from('{}');
const DIGEST = sha256(BYTES);

/** What is asked of a registry with one manifest, whose content store has it or fails so. */
function source(stored: Buffer | StatusCode, digest: string | undefined = DIGEST) {
  const asked: string[] = [];
  const registry = {
    async digestOf(tag: string) {
      asked.push(`HEAD ${tag}`);
      return digest;
    },
    async manifest(reference: string) {
      asked.push(`GET ${reference}`);
      return BYTES;
    },
  };
  const content = {
    async read() {
      if (typeof stored === 'string') throw new StatusError(stored, 'content');
      return stored;
    },
  };
  return { read: manifestSource(registry, content), asked };
}

describe('manifestSource', () => {
  for (const [what, args, reference, expected] of [
    ['a tag whose manifest containerd has', [BYTES], '1', ['HEAD 1']],
    ['a digest that containerd has', [BYTES], DIGEST, []],
    ['a tag whose manifest is new', ['NotFound'], '1', ['HEAD 1', `GET ${DIGEST}`]],
    ['a digest while containerd is away', ['Unavailable'], DIGEST, [`GET ${DIGEST}`]],
  ] as const) {
    it(`reads ${what}`, async () => {
      const { read, asked } = source(...(args as [Buffer | StatusCode]));
      assert.deepEqual(await read(reference), BYTES);
      assert.deepEqual(asked, expected);
    });
  }

  it('reads a tag whose digest the registry does not say, or says in a way of its own', async () => {
    for (const digest of ['', 'md5-of-it']) {
      const { read, asked } = source(BYTES, digest);
      assert.deepEqual(await read('1'), BYTES);
      assert.deepEqual(asked, ['HEAD 1', 'GET 1']);
    }
  });
});
