import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { parsePlatform } from '../../../src/image/platform.ts';
import type { ImageLease } from '../../../src/store-image/image-cache.ts';
import { NodeImages } from '../../../src/store-image/node-images.ts';
import { nodePlatform } from '../../../src/store-image/node-platform.ts';

const PATH = `/nix/store/${'0'.repeat(32)}-a` as StorePath;
const WANTED = { kind: 'path', path: PATH } as const;

function imagesOf(platform: string | undefined, configured: () => Promise<readonly string[]>) {
  const state = { disposed: 0 };
  const image = platform === undefined ? {} : { platform: parsePlatform(platform) };
  const lease = { image, [Symbol.dispose]: () => (state.disposed += 1) } as unknown as ImageLease;
  const images = new NodeImages({ resolver: { resolve: async () => lease }, lookup: { configured } });
  return { state, lease, images };
}

describe('images that are pulled to be run here', () => {
  const signal = new AbortController().signal;
  const caches = async () => ['https://user:secret@cache.example?priority=1', 'https://other.example'];

  it('are handed out when this node runs them, or nobody knows what they run on', async () => {
    for (const platform of [undefined, `linux/${nodePlatform().architecture}`]) {
      const { state, lease, images } = imagesOf(platform, caches);
      assert.equal(await images.resolve(WANTED, signal), lease);
      assert.equal(state.disposed, 0);
    }
  });

  it('are given back when they are for other processors; the error says for which, and where to push', async () => {
    const { state, images } = imagesOf('linux/s390x', caches);
    const refused = images.resolve(WANTED, signal);
    await assert.rejects(refused, (error) => {
      assert.ok(error instanceof StatusError);
      assert.equal(error.code, 'FailedPrecondition');
      const node = `linux/${nodePlatform().architecture}`;
      assert.ok(
        error.message.startsWith(
          `${PATH} cannot run here: it is built for linux/s390x, and this node is ${node}; build it for ${node}, ` +
            'push that to https://cache.example or https://other.example, and pull its path',
        ),
        error.message,
      );
      return true;
    });
    assert.equal(state.disposed, 1);
  });

  it('are refused in the same way when nobody can say which caches there are', async () => {
    const { images } = imagesOf('linux/s390x', async () => await Promise.reject(new Error('no nix')));
    await assert.rejects(images.resolve(WANTED, signal), { message: /push that to a cache of this node/ });
  });
});
