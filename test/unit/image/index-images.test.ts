import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parseIndex } from '../../../src/image/descriptor.ts';
import { indexImages } from '../../../src/image/index-images.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { parsePlatform } from '../../../src/image/platform.ts';
import { listManifests, selectManifest } from '../../../src/image/select-manifest.ts';
import { layerTar, ociImage, ociMembers, tarOf, tempDir } from './fixture.ts';

async function setUp(t: TestContext) {
  const dir = await tempDir(t);
  const image = async (platform: string, content = platform): Promise<string> => {
    const { blobs, descriptor } = await ociImage({
      platform: parsePlatform(platform),
      layer: await layerTar('etc/hello', content),
    });
    const file = join(dir, `${content.replaceAll('/', '-')}.tar`);
    await writeFile(file, await tarOf(ociMembers(blobs, [descriptor])));
    return file;
  };
  const out = join(dir, 'out.tar');
  const index = (images: readonly string[], format: 'oci-archive' | 'oci-layout' = 'oci-archive', to = out) =>
    indexImages({ images, out: to, ref: 'app:1', format });
  return { dir, out, image, index };
}

describe('index', () => {
  it('joins images for several platforms, the same bytes in whatever order', async (t) => {
    const { dir, out, image, index } = await setUp(t);
    const images = [await image('linux/arm64'), await image('linux/amd64')];
    const { ref, digest, platforms } = await index(images);
    assert.equal(ref, 'docker.io/library/app:1');
    assert.deepEqual(
      platforms.map(({ architecture }) => architecture),
      ['amd64', 'arm64'],
    );
    const bytes = await readFile(out);
    await index(images.toReversed());
    assert.ok(bytes.equals(await readFile(out)));
    await index(images, 'oci-layout', join(dir, 'layout'));
    for (const path of [out, join(dir, 'layout')]) {
      await using set = await openImages(path);
      const [found] = set.images;
      assert.ok(found);
      assert.equal(found.target.digest, digest);
      assert.deepEqual(found.names, ['docker.io/library/app:1']);
      assert.equal(parseIndex(await set.read(found.target), path).manifests.length, 2);
      assert.equal((await listManifests(set, found.target)).length, 2);
      const arm = await selectManifest(set, parsePlatform('linux/arm64'));
      for (const layer of arm.manifest.layers ?? []) assert.ok(await set.has(layer));
    }
  });

  it('takes an index among the images', async (t) => {
    const { dir, image, index } = await setUp(t);
    const first = join(dir, 'first.tar');
    await index([await image('linux/arm64'), await image('linux/amd64')], 'oci-archive', first);
    const { platforms } = await index([first, await image('linux/riscv64')]);
    assert.equal(platforms.length, 3);
  });

  it('refuses two images for one platform, and names them', async (t) => {
    const { image, index } = await setUp(t);
    await assert.rejects(index([await image('linux/amd64', 'one'), await image('linux/amd64', 'other')]), {
      code: 'InvalidArgument',
      message: /one\.tar and \S*other\.tar are both for linux\/amd64/,
    });
  });
});
