import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe as suite, it, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { StatusError } from '../../../src/errors.ts';
import { readBaseImage } from '../../../src/image/base-image.ts';
import { describe, encodeJson, MEDIA } from '../../../src/image/descriptor.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { parsePlatform } from '../../../src/image/platform.ts';
import { selectManifest } from '../../../src/image/select-manifest.ts';
import { imageConfig, layerTar, ociImage, ociMembers, type TarMember, tarOf, tempDir } from './fixture.ts';

const AMD64 = parsePlatform('linux/amd64');

async function archive(
  t: TestContext,
  members: readonly TarMember[],
  pack = (bytes: Buffer) => bytes,
): Promise<string> {
  const file = join(await tempDir(t), 'image.tar');
  await writeFile(file, pack(await tarOf(members)));
  return file;
}

async function baseOf(path: string, platform = AMD64) {
  await using set = await openImages(path);
  const base = await readBaseImage(set, platform);
  const layers = await Promise.all(base.layers.map(async (layer) => buffer(await layer.open())));
  return { base, layers, names: set.images.flatMap((image) => image.names) };
}

async function dockerMembers(pack: (bytes: Buffer) => Buffer = (bytes) => bytes) {
  const layers = [await layerTar('a', '1'), await layerTar('b', '2')];
  const config = imageConfig(layers.map((layer) => describe('', layer).digest));
  const packed = layers.map(pack);
  const members: TarMember[] = [
    ...packed.map((content, i) => ({ name: `${i}/layer.tar`, content })),
    { name: 'config.json', content: config },
    {
      name: 'manifest.json',
      content: encodeJson([
        { Config: 'config.json', RepoTags: ['app:1'], Layers: ['0/layer.tar', '1/layer.tar'] },
      ]),
    },
  ];
  return { members, packed, config };
}

suite('images in docker archives', () => {
  for (const [kind, pack, mediaType] of [
    ['plain', (bytes: Buffer) => bytes, MEDIA.ociLayer],
    ['gzip', (bytes: Buffer) => gzipSync(bytes), MEDIA.ociLayerGzip],
    ['zstd', (bytes: Buffer) => zstdCompressSync(bytes), MEDIA.ociLayerZstd],
  ] as const) {
    it(`${kind} layers, in plain and compressed archives`, async (t) => {
      const { members, packed } = await dockerMembers(pack);
      const plain = await baseOf(await archive(t, members));
      assert.deepEqual(plain.layers, packed);
      assert.deepEqual(plain.names, ['docker.io/library/app:1']);
      assert.deepEqual(
        plain.base.layers.map((layer) => layer.descriptor.mediaType),
        [mediaType, mediaType],
      );
      const gzipped = await baseOf(await archive(t, members, (bytes) => gzipSync(bytes)));
      assert.equal(gzipped.base.digest, plain.base.digest);
      const zstd = await baseOf(await archive(t, members, (bytes) => zstdCompressSync(bytes)));
      assert.equal(zstd.base.digest, plain.base.digest);
    });
  }

  it('a layer that is not what the config says is told by its name', async (t) => {
    const { members } = await dockerMembers();
    const changed = members.map((member) =>
      member.name === '1/layer.tar' ? { ...member, content: 'other' } : member,
    );
    await assert.rejects(baseOf(await archive(t, changed)), {
      code: 'DataLoss',
      message: /image\.tar: entry 1\/layer\.tar unpacks to/,
    });
  });

  it('a broken or missing layer is told by its name', async (t) => {
    const { members } = await dockerMembers((bytes) => gzipSync(bytes).subarray(0, 30));
    await assert.rejects(baseOf(await archive(t, members)), {
      code: 'DataLoss',
      message: /entry 0\/layer\.tar: /,
    });
    const absent = members.filter((member) => member.name !== '0/layer.tar');
    await assert.rejects(baseOf(await archive(t, absent)), {
      code: 'NotFound',
      message: /"0\/layer\.tar" is missing/,
    });
  });

  it('a manifest of another shape is refused', async (t) => {
    for (const [content, words] of [
      ['{}', /manifest\.json/],
      ['[]', /names no image/],
      ['[{"Config": 3}]', /0\.Config/],
      ['not json', /not JSON/],
    ] as const) {
      await assert.rejects(baseOf(await archive(t, [{ name: 'manifest.json', content }])), {
        code: 'InvalidArgument',
        message: words,
      });
    }
  });
});

suite('images in OCI archives and layouts', () => {
  it('archive and directory are read alike, with layer annotations', async (t) => {
    const image = await ociImage();
    const members = ociMembers(image.blobs, [image.descriptor]);
    const dir = await tempDir(t);
    for (const { name, content = '' } of members) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), content);
    }
    const fromDirectory = await baseOf(dir);
    const fromArchive = await baseOf(await archive(t, members));
    assert.deepEqual(fromDirectory.layers, [image.layer]);
    assert.equal(fromArchive.base.digest, fromDirectory.base.digest);
  });

  it('the platform asked for is taken, whether listed in index.json or in an index below', async (t) => {
    const amd64 = await ociImage({ layer: await layerTar('x', 'amd64') });
    const arm64 = await ociImage({
      platform: parsePlatform('linux/arm64'),
      layer: await layerTar('x', 'arm64'),
    });
    const manifests = [amd64.descriptor, arm64.descriptor];
    const index = encodeJson({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
    const blobs = [...amd64.blobs, ...arm64.blobs];
    for (const members of [
      ociMembers(blobs, manifests),
      ociMembers([...blobs, index], [describe(MEDIA.ociIndex, index)]),
    ]) {
      const path = await archive(t, members);
      assert.deepEqual((await baseOf(path, parsePlatform('linux/arm64'))).layers, [arm64.layer]);
      assert.deepEqual((await baseOf(path)).layers, [amd64.layer]);
      await assert.rejects(baseOf(path, parsePlatform('linux/s390x')), {
        code: 'NotFound',
        message: /linux\/s390x.*only linux\/amd64, linux\/arm64/,
      });
      await using set = await openImages(path);
      await assert.rejects(selectManifest(set, undefined), {
        code: 'InvalidArgument',
        message: /--platform/,
      });
    }
  });

  it('several images are refused, by their names', async (t) => {
    const one = await ociImage();
    const two = await ociImage({ layer: await layerTar('other') });
    const named = [one, two].map((image, i) => ({
      ...image.descriptor,
      annotations: { 'io.containerd.image.name': `docker.io/library/i${i}:1` },
    }));
    const path = await archive(t, ociMembers([...one.blobs, ...two.blobs], named));
    await assert.rejects(baseOf(path), { code: 'InvalidArgument', message: /holds 2 images.*i0:1.*i1:1/ });
  });

  it('blobs that are missing, changed, longer or shorter are told by digest', async (t) => {
    const image = await ociImage();
    const digest = describe('', image.layer).digest;
    const file = `blobs/${digest.replace(':', '/')}`;
    const withLayer = (content: Buffer | undefined) =>
      ociMembers(image.blobs, [image.descriptor]).flatMap((member) => {
        if (member.name !== file) return [member];
        return content === undefined ? [] : [{ name: file, content }];
      });
    const flipped = Buffer.from(image.layer);
    flipped[700] = 1;
    for (const [content, code, words] of [
      [undefined, 'NotFound', new RegExp(`layer ${digest}.*missing`)],
      [flipped, 'DataLoss', new RegExp(`${file}: blob ${digest} has digest`)],
      [Buffer.concat([image.layer, image.layer]), 'DataLoss', /more than the \d+ bytes/],
      [image.layer.subarray(0, 10), 'DataLoss', /holds 10 bytes/],
    ] as const) {
      await assert.rejects(baseOf(await archive(t, withLayer(content))), { code, message: words });
    }
  });

  it('an index that holds itself, or is nested without end, ends in an error', async (t) => {
    const image = await ociImage();
    let bytes = image.manifest.bytes;
    let target = describe(MEDIA.ociManifest, bytes);
    const blobs: Buffer[] = [...image.blobs];
    for (let depth = 0; depth < 6; depth++) {
      bytes = encodeJson({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [target, target] });
      target = describe(MEDIA.ociIndex, bytes);
      blobs.push(bytes);
    }
    await assert.rejects(baseOf(await archive(t, ociMembers(blobs, [target]))), {
      code: 'InvalidArgument',
      message: /nested too deep/,
    });
  });

  it('absurd values in JSON are refused with the member named', async (t) => {
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const [manifest, words] of [
      [{ digest: '../../etc/passwd', size: 1 }, /manifests\.0\.digest/],
      [{ digest: 'sha256:../../x', size: 1 }, /manifests\.0\.digest/],
      [{ digest, size: -1 }, /manifests\.0\.size/],
      [{ digest, size: 1e30 }, /manifests\.0\.size/],
      [{ digest, size: 'x' }, /manifests\.0\.size/],
    ] as const) {
      const members = [{ name: 'index.json', content: encodeJson({ manifests: [manifest] }) }];
      await assert.rejects(baseOf(await archive(t, members)), { code: 'InvalidArgument', message: words });
    }
    const huge = [{ name: 'index.json', content: encodeJson({ manifests: [{ digest, size: 1e12 }] }) }];
    await assert.rejects(baseOf(await archive(t, huge)), (error) => error instanceof StatusError);
  });

  it('what is no image says so', async (t) => {
    await assert.rejects(baseOf(await archive(t, [{ name: 'README', content: 'x' }])), {
      code: 'InvalidArgument',
      message: /not an image/,
    });
    await assert.rejects(baseOf('/nonexistent/x.tar'), {
      code: 'NotFound',
      message: /\/nonexistent\/x\.tar/,
    });
    const dir = await tempDir(t);
    await assert.rejects(baseOf(dir), { code: 'InvalidArgument', message: /not an image/ });
    await assert.rejects(baseOf('/dev/null'), {
      code: 'InvalidArgument',
      message: /\/dev\/null: neither a file/,
    });
  });
});
