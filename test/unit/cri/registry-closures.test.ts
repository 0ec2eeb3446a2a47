import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import { registryClosures } from '../../../src/cri/registry-closures.ts';
import { layeredAnnotations } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { encodeJson, MEDIA, sha256 } from '../../../src/image/descriptor.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };
const pathOf = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}`;

/** A registry of manifests that counts what is asked. */
class Manifests {
  readonly asked: string[] = [];
  readonly #all = new Map<string, Buffer>();

  put(value: object, mediaType: string, tag?: string) {
    const bytes = encodeJson(value);
    const digest = sha256(bytes);
    for (const key of [digest, ...(tag === undefined ? [] : [tag])]) this.#all.set(key, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  image(path: string | undefined, tag?: string) {
    const layer = { mediaType: MEDIA.ociLayer, digest: sha256(Buffer.from('layer')), size: 5 };
    const config = { ...layer, mediaType: MEDIA.ociConfig };
    const annotations = path === undefined ? {} : { [CLOSURE_ANNOTATION]: path };
    return this.put({ config, layers: [layer, { ...layer, annotations }] }, MEDIA.ociManifest, tag);
  }

  readonly read = async (reference: string): Promise<Buffer> => {
    this.asked.push(reference);
    const found = this.#all.get(reference);
    if (found !== undefined) return found;
    throw new StatusError('NotFound', reference);
  };
}

describe('registryClosures', () => {
  it('reads what the layers of an image name, from one manifest', async () => {
    const manifests = new Manifests();
    manifests.image(pathOf('closure'), '1');
    const expected = [{ kind: 'closure-info', path: pathOf('closure') }];
    assert.deepEqual(await registryClosures(manifests.read, '1', AMD64), { needed: expected, held: [] });
    assert.deepEqual(manifests.asked, ['1']);
  });

  it('tells those apart whose layers hold the paths as well', async () => {
    const manifests = new Manifests();
    const info = pathOf('closure') as StorePath;
    const list = ['a', 'b'].map((name) => pathOf(name) as StorePath);
    const layers = list.map((held) => ({
      mediaType: MEDIA.ociLayer,
      digest: sha256(Buffer.from(held)),
      size: 1,
      annotations: layeredAnnotations(info, list, new Set([held])),
    }));
    manifests.put({ config: { ...layers[0], annotations: {} }, layers }, MEDIA.ociManifest, '1');
    assert.deepEqual(await registryClosures(manifests.read, '1', AMD64), {
      needed: [],
      held: [{ kind: 'closure-info', path: info }],
    });
  });

  it('gives nothing for an ordinary image', async () => {
    const manifests = new Manifests();
    manifests.image(undefined, '1');
    assert.deepEqual(await registryClosures(manifests.read, '1', AMD64), { needed: [], held: [] });
  });

  it('asks only for the platform of the node', async () => {
    const manifests = new Manifests();
    const amd64 = manifests.image(pathOf('amd64'));
    const arm64 = manifests.image(pathOf('arm64'));
    const attestation = {
      ...manifests.image(pathOf('none')),
      platform: { os: 'unknown', architecture: 'unknown' },
    };
    const children = [
      attestation,
      { ...amd64, platform: AMD64 },
      { ...arm64, platform: { ...ARM64, variant: 'v8' } },
    ];
    manifests.put({ manifests: children }, MEDIA.dockerIndex, '1');
    const { needed } = await registryClosures(manifests.read, '1', ARM64);
    assert.deepEqual(needed[0], { kind: 'closure-info', path: pathOf('arm64') });
    assert.deepEqual(manifests.asked, ['1', arm64.digest]);
    await assert.rejects(registryClosures(manifests.read, '1', { os: 'linux', architecture: 's390x' }), {
      code: 'NotFound',
      message: /names no image for linux\/s390x/,
    });
  });

  it('follows no index for ever', async () => {
    const manifests = new Manifests();
    let child = manifests.image(pathOf('deep'));
    for (let i = 0; i < 10; i += 1) {
      child = manifests.put({ i, manifests: [{ ...child, platform: AMD64 }] }, MEDIA.ociIndex, '1');
    }
    await assert.rejects(registryClosures(manifests.read, '1', AMD64), { code: 'NotFound' });
    assert.ok(manifests.asked.length <= 5);
  });

  for (const path of ['/etc/passwd', '/nix/store/../etc', `${pathOf('x')}/bin`]) {
    it(`refuses a layer that names ${path}`, async () => {
      const manifests = new Manifests();
      manifests.image(path, '1');
      await assert.rejects(registryClosures(manifests.read, '1', AMD64), { code: 'InvalidArgument' });
    });
  }
});
