import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { buildImage, type BuildOptions } from '../../../src/image/build.ts';
import { parseManifest, sha256 } from '../../../src/image/descriptor.ts';
import { parseImageConfig } from '../../../src/image/image-config.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { openBaseImage } from '../../../src/store-image/open-base-image.ts';
import {
  fixedNix,
  layerTar,
  makeStore,
  ociImage,
  ociMembers,
  storePath,
  tarOf,
  tempDir,
} from '../image/fixture.ts';

const APP = storePath('app');
const LIB = storePath('lib');
const JSON_IMAGE = storePath('image-hello.json');
const ARCHIVE = storePath('image.tar');
const CLOSURE = 'containerd.io/snapshot/nix-closure';

async function setUp(t: TestContext, layers: readonly object[] = []) {
  const dir = await tempDir(t);
  const layer = await layerTar();
  const described = {
    version: 1,
    'image-config': { Env: ['FROM=json'] },
    arch: 'amd64',
    layers: [
      {
        digest: sha256(layer),
        size: layer.length,
        diff_ids: sha256(layer),
        mediatype: 'application/vnd.oci.image.layer.v1.tar',
        'layer-path': `${LIB}/layer.tar`,
      },
      {
        digest: sha256(layer),
        size: 1,
        diff_ids: sha256(layer),
        mediatype: 'application/vnd.oci.image.layer.v1.tar',
        paths: [{ path: LIB }],
      },
      ...layers,
    ],
  };
  const realStoreDir = await makeStore(dir, {
    [`${APP}/bin/app`]: '',
    [`${LIB}/layer.tar`]: layer,
    [JSON_IMAGE]: JSON.stringify(described),
    [ARCHIVE]: '',
  });
  const store = new StoreFiles({ realStoreDir });
  const nix = fixedNix([LIB]);
  const build = async (fromImage: string, change: Partial<BuildOptions> = {}) => {
    const out = change.out ?? join(dir, 'out.tar');
    await buildImage(
      {
        out,
        ref: 'localhost/app:1',
        format: 'oci-archive',
        compression: 'none',
        config: { Cmd: [`${APP}/bin/app`] },
        copyToRoot: [],
        storePaths: [APP],
        annotate: 'closure',
        layered: false,
        platform: { os: 'linux', architecture: 'amd64' },
        fromImage,
        ...change,
      },
      { store, nix, openBase: (path) => openBaseImage(path, { store, nix }) },
    );
    await using set = await openImages(out);
    const [image] = set.images;
    assert.ok(image);
    const manifest = parseManifest(await set.read(image.target), out);
    const config = parseImageConfig(await set.read(manifest.config), out);
    return { out, config, layers: manifest.layers ?? [] };
  };
  return { dir, build };
}

describe('a base image', () => {
  it("is nix2container's JSON in the store, or a link to it: its Nix layer and its others are kept", async (t) => {
    const { dir, build } = await setUp(t);
    await symlink(JSON_IMAGE, join(dir, 'result'));
    for (const base of [JSON_IMAGE, join(dir, 'result')]) {
      const { config, layers } = await build(base);
      assert.deepEqual(config.config?.Env, ['FROM=json']);
      assert.deepEqual(
        layers.map(({ annotations }) => Object.keys(annotations ?? {}).map((name) => name.split('/nix-')[1])),
        [[], ['layer', 'store-path.0', 'layer-digest'], ['closure', 'layer-digest']],
      );
    }
  });

  it("is refused as nix2container's JSON by what is wrong with it", async (t) => {
    const { build } = await setUp(t, [{ paths: 1 }]);
    await assert.rejects(build(JSON_IMAGE), { code: 'InvalidArgument', message: /image-hello.json: layers/ });
  });

  it('is another image of ours, layered or not: its layers keep their annotations', async (t) => {
    const { dir, build } = await setUp(t);
    const empty = join(dir, 'empty.tar');
    const { blobs, descriptor } = await ociImage();
    await writeFile(empty, await tarOf(ociMembers(blobs, [descriptor])));
    for (const layered of [false, true]) {
      const below = await build(empty, { out: join(dir, 'below.tar'), layered });
      const { layers } = await build(below.out);
      assert.deepEqual(layers.slice(0, -1), below.layers);
      assert.ok(layers.at(-1)?.annotations?.[CLOSURE]);
    }
  });
});
