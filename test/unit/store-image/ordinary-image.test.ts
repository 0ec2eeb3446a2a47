import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, json } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
  type LayerClosure,
} from '../../../src/closure/annotations.ts';
import { layeredAnnotations } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import {
  type Descriptor,
  describe as describeBytes,
  describeManifest,
  encodeJson,
  MEDIA,
  sha256,
} from '../../../src/image/descriptor.ts';
import { silentLog } from '../../../src/log.ts';
import { DigestCache } from '../../../src/store-image/digest-cache.ts';
import { planNixLayer } from '../../../src/closure/nix-layer.ts';
import { layerTar } from '../../../src/closure/layer-tar.ts';
import { LayerDigests } from '../../../src/store-image/layer-digests.ts';
import { ordinaryImage } from '../../../src/store-image/ordinary-image.ts';
import type { ServedBlob, ServedImage } from '../../../src/store-image/served-image.ts';

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const INFO = path('closure-info');
const ORDINARY = gzipSync(Buffer.alloc(1024));
const ORDINARY_TYPE = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

interface Config {
  readonly config: object;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly comment?: string; readonly empty_layer?: boolean }[];
}

const nixLayer = (paths: readonly StorePath[]): Descriptor => ({
  ...describeBytes(MEDIA.ociLayerGzip, Buffer.from(paths.join())),
  annotations: {
    [LEGACY_LAYER_ANNOTATION]: 'true',
    ...Object.fromEntries(paths.map((each, at) => [`${LEGACY_PATH_PREFIX}${at}`, each])),
  },
});
const infoLayer: Descriptor = {
  ...describeBytes(MEDIA.ociLayerGzip, Buffer.from('info')),
  annotations: { [CLOSURE_ANNOTATION]: INFO },
};
const ordinaryLayer = describeBytes(ORDINARY_TYPE, ORDINARY);

/** An image as the resolver serves one. */
function imageOf(
  layers: readonly Descriptor[],
  more: { index?: boolean; diffIds?: number } = {},
): ServedImage {
  const blobs = new Map<string, ServedBlob>();
  const add = (descriptor: Descriptor, bytes: Buffer): ServedBlob => {
    const blob = { descriptor, open: async () => Readable.from([bytes]) };
    blobs.set(descriptor.digest, blob);
    return blob;
  };
  add(ordinaryLayer, ORDINARY);
  const configBytes = encodeJson({
    architecture: 'amd64',
    os: 'linux',
    config: { Entrypoint: ['/bin/x'] },
    rootfs: {
      type: 'layers',
      diff_ids: layers.slice(0, more.diffIds ?? layers.length).map(({ digest }) => digest),
    },
    history: [
      { comment: 'nothing', empty_layer: true },
      ...layers.map(({ annotations }) => ({ comment: annotations ? 'nix' : 'ordinary' })),
    ],
  });
  const config = describeBytes(MEDIA.ociConfig, configBytes);
  add(config, configBytes);
  const { descriptor, bytes } = describeManifest(config, layers);
  const manifest = add(descriptor, bytes);
  const indexBytes = encodeJson({
    schemaVersion: 2,
    manifests: [{ ...descriptor, platform: { os: 'linux', architecture: 'amd64' } }],
  });
  const closures: LayerClosure[] = layers.flatMap(({ annotations }) =>
    annotations ? [{ kind: 'paths', paths: [] }] : [],
  );
  return {
    target: more.index === true ? add(describeBytes(MEDIA.ociIndex, indexBytes), indexBytes) : manifest,
    blobs,
    closures,
    async [Symbol.asyncDispose]() {},
  };
}

describe('ordinaryImage', () => {
  let top = '';
  let cache: DigestCache;
  let digests: LayerDigests;
  let damaged = Promise.withResolvers<void>();
  let realised: LayerClosure[] = [];
  /** Each path refers to those before it. */
  let references = new Map<StorePath, readonly StorePath[]>();
  const never = new AbortController().signal;

  before(() => (top = mkdtempSync(join(tmpdir(), 'ordinary-'))));
  beforeEach(() => {
    rmSync(top, { recursive: true });
    mkdirSync(top);
    cache = new DigestCache({ directory: join(top, '.digests'), entries: 1000 }, { log: silentLog });
    digests = new LayerDigests({ cache, realStoreDir: async () => top });
    references = new Map();
    damaged = Promise.withResolvers();
    realised = [];
  });
  after(() => rmSync(top, { recursive: true }));

  const makePaths = (names: readonly string[]): readonly StorePath[] => {
    const paths = names.map(path);
    for (const [at, each] of paths.entries()) {
      writeFileSync(join(top, each.slice('/nix/store/'.length)), `content of ${each}`);
      references.set(each, paths.slice(0, at));
    }
    return paths;
  };
  const convert = async (image: ServedImage, signal = never) => {
    const nix = {
      realStoreDir: async () => top,
      referenceGraph: async (paths: readonly StorePath[]) =>
        new Map(paths.map((each) => [each, references.get(each) ?? []])),
    };
    const closures = {
      pathsOf: async (closure: LayerClosure) => (closure.kind === 'paths' ? closure.paths : [path('a')]),
    };
    const onDamage = (): void => damaged.resolve();
    const realise = async (found: readonly LayerClosure[]): Promise<void> => void realised.push(...found);
    const made = await ordinaryImage(image, { nix, closures, digests, realise, onDamage }, signal);
    const read = async <T>(digest: string) =>
      (await json(await (made.blobs.get(digest) as ServedBlob).open())) as T;
    const root = await read<{ manifests?: Descriptor[] }>(made.target.descriptor.digest);
    const manifest = await read<{ config: Descriptor; layers: Descriptor[] }>(
      root.manifests?.[0]?.digest ?? made.target.descriptor.digest,
    );
    const config = await read<Config>(manifest.config.digest);
    return { ...made, manifest, config };
  };

  it('has a layer for each path, the most popular first, whose bytes are those described', async () => {
    const paths = makePaths(['c', 'b', 'a']);
    const { manifest, config, blobs } = await convert(imageOf([ordinaryLayer, nixLayer(paths)]));
    assert.equal(manifest.layers.length, 4);
    for (const layer of manifest.layers) {
      const bytes = await buffer(await (blobs.get(layer.digest) as ServedBlob).open());
      assert.deepEqual([sha256(bytes), bytes.length], [layer.digest, layer.size]);
    }
    assert.deepEqual(manifest.layers[0], { ...ordinaryLayer, mediaType: MEDIA.ociLayerGzip });
    assert.deepEqual(config.config, { Entrypoint: ['/bin/x'] });
    assert.deepEqual(
      config.rootfs.diff_ids,
      [ordinaryLayer, ...manifest.layers.slice(1)].map(({ digest }) => digest),
    );
    assert.deepEqual(
      config.history.map(({ comment }) => comment),
      ['nothing', 'ordinary', ...['c', 'b', 'a'].map((name) => path(name).slice('/nix/store/'.length))],
    );
    assert.ok(
      manifest.layers
        .slice(1)
        .every(({ annotations, mediaType }) => !annotations && mediaType === MEDIA.ociLayer),
    );
  });

  it('is the same each time, remembered or not, and shares layers with other images', async () => {
    const paths = makePaths(['c', 'b', 'a']);
    const first = await convert(imageOf([nixLayer(paths)]));
    digests = new LayerDigests({
      cache: { get: async () => undefined, put: async () => {}, forget: async () => {} },
      realStoreDir: async () => top,
    });
    const again = await convert(imageOf([nixLayer(paths)]));
    assert.deepEqual(again.target.descriptor, first.target.descriptor);
    const other = await convert(imageOf([nixLayer(paths.slice(0, 2))]));
    assert.deepEqual(other.manifest.layers, first.manifest.layers.slice(0, 2));
  });

  it('groups what is left when there are more than a hundred', async () => {
    const paths = makePaths(Array.from({ length: 130 }, (_, at) => `p${String(at).padStart(3, '0')}`));
    const { manifest, config, blobs } = await convert(imageOf([ordinaryLayer, nixLayer(paths)]));
    assert.equal(manifest.layers.length, 100);
    assert.equal(config.history.at(-1)?.comment, '32 Nix store paths');
    const rest = manifest.layers.at(-1) as Descriptor;
    const bytes = await buffer(await (blobs.get(rest.digest) as ServedBlob).open());
    assert.equal(sha256(bytes), rest.digest);
    for (const each of paths.slice(98)) assert.ok(bytes.includes(each.slice(1)), each);
    assert.equal(bytes.includes((paths[97] as StorePath).slice(1)), false);
  });

  it('repeats no path of an earlier Nix layer, and finds those of a closureInfo', async () => {
    const paths = makePaths(['a', 'b']);
    const { manifest, config } = await convert(
      imageOf([infoLayer, ordinaryLayer, nixLayer(paths), infoLayer]),
    );
    assert.deepEqual(
      config.history.map(({ comment }) => comment),
      ['nothing', path('a').slice(11), 'ordinary', path('b').slice(11)],
    );
    assert.equal(manifest.layers.length, 3);
  });

  it('keeps an index an index, with platforms', async () => {
    const { target, manifest } = await convert(imageOf([nixLayer(makePaths(['a']))], { index: true }));
    assert.equal(target.descriptor.mediaType, MEDIA.ociIndex);
    const index = (await json(await target.open())) as { manifests: Descriptor[] };
    assert.deepEqual(index.manifests[0]?.platform, { os: 'linux', architecture: 'amd64' });
    assert.equal(manifest.layers.length, 1);
  });

  it('finds what a layer without annotations names, and realises it', async () => {
    const paths = makePaths(['a', 'b']);
    const closure: LayerClosure = { kind: 'paths', paths };
    const kinds = new Map(paths.map((each) => [each, { kind: 'file' } as const]));
    const bytes = gzipSync(await buffer(layerTar(planNixLayer(kinds, closure))));
    const layer = describeBytes(MEDIA.ociLayerGzip, bytes);
    const image = imageOf([ordinaryLayer, layer]);
    const blobs = new Map(image.blobs);
    blobs.set(layer.digest, { descriptor: layer, open: async () => Readable.from([bytes]) });
    const { manifest, closures } = await convert({ ...image, blobs });
    assert.deepEqual([realised, closures], [[closure], [closure]]);
    assert.equal(manifest.layers.length, 3);
  });

  it('leaves an image without Nix layers as it is', async () => {
    const image = imageOf([ordinaryLayer]);
    assert.equal((await convert(image)).target, image.target);
  });

  it('does not look into layers that hold their paths', async () => {
    const annotations = layeredAnnotations(INFO, [path('a')], new Set([path('a')]));
    // Its blob is no tar.
    const held = { ...describeBytes(MEDIA.ociLayer, Buffer.from('held')), annotations };
    const image = imageOf([held]);
    (image.blobs as Map<string, ServedBlob>).set(held.digest, {
      descriptor: held,
      open: async () => Readable.from([Buffer.from('held')]),
    });
    assert.equal((await convert(image)).target, image.target);
  });

  it('breaks a layer off whose bytes are not those described, and computes it anew', async () => {
    const paths = makePaths(['a']);
    const first = await convert(imageOf([nixLayer(paths)]));
    const layer = first.manifest.layers[0] as Descriptor;
    writeFileSync(join(top, path('a').slice('/nix/store/'.length)), `CONTENT of ${path('a')}`);
    let received = 0;
    await assert.rejects(
      async () => {
        for await (const chunk of await (first.blobs.get(layer.digest) as ServedBlob).open())
          received += (chunk as Buffer).length;
      },
      { code: 'DataLoss', message: /^the layer of 0{32}-a: blob sha256:[0-9a-f]{64} has digest/ },
    );
    assert.ok(received < layer.size);
    await damaged.promise;
    const second = await convert(imageOf([nixLayer(paths)]));
    assert.notEqual(second.manifest.layers[0]?.digest, layer.digest);
  });

  it('refuses a config that does not fit, and stops when nobody waits', async () => {
    const paths = makePaths(['a', 'b']);
    await assert.rejects(convert(imageOf([nixLayer(paths), ordinaryLayer], { diffIds: 1 })), {
      code: 'InvalidArgument',
      message: /has 2 layers, its config 1 diff IDs/,
    });
    await assert.rejects(convert(imageOf([nixLayer(paths)]), AbortSignal.abort()), { code: 'Cancelled' });
  });
});
