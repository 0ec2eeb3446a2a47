import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { buildImage } from '../../../src/image/build.ts';
import { parseManifest } from '../../../src/image/descriptor.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { fixedNix, makeStore, storePath, tempDir } from './fixture.ts';

export const ROOT = storePath('root');
export const LIB = storePath('lib');

/** Builds images whose root has files, links and a directory, by the inputs that a test gives. */
export async function setUp(t: TestContext) {
  const dir = await tempDir(t);
  const realStoreDir = await makeStore(dir, {
    [`${ROOT}/etc/shadow`]: 'secret',
    [`${ROOT}/etc/motd`]: 'hello',
    [`${ROOT}/etc/mtab`]: { link: '/proc/mounts' },
    [`${ROOT}/home/app`]: undefined,
    [`${LIB}/data`]: '',
  });
  const out = join(dir, 'out.tar');
  const build = async (inputs: { perms?: unknown; fakeRoot?: Buffer; cmd?: string; user?: string }) => {
    const perms = join(dir, 'perms.json');
    const fakeRoot = join(dir, 'fake-root.tar');
    if (inputs.perms !== undefined) await writeFile(perms, JSON.stringify(inputs.perms));
    if (inputs.fakeRoot !== undefined) await writeFile(fakeRoot, inputs.fakeRoot);
    const { warnings } = await buildImage(
      {
        out,
        ref: 'localhost/app:1',
        format: 'oci-archive',
        compression: 'none',
        config: {
          Cmd: [inputs.cmd ?? '/etc/motd'],
          ...(inputs.user === undefined ? {} : { User: inputs.user }),
        },
        copyToRoot: [ROOT],
        storePaths: [],
        annotate: 'closure',
        layered: false,
        platform: { os: 'linux', architecture: 'amd64' },
        ...(inputs.perms === undefined ? {} : { perms }),
        ...(inputs.fakeRoot === undefined ? {} : { fakeRoot }),
      },
      { store: new StoreFiles({ realStoreDir }), nix: fixedNix([LIB, ROOT]) },
    );
    await using set = await openImages(out);
    const [image] = set.images;
    assert.ok(image);
    const layers = [];
    for (const layer of parseManifest(await set.read(image.target), out).layers ?? [])
      layers.push(await buffer(await set.open(layer)));
    return { warnings, layers };
  };
  return { dir, build };
}
