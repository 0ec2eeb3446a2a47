import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { extract } from 'tar-stream';
import { parseLayeredAnnotations, pathsOfPart } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { buildImage, type BuildOptions } from '../../../src/image/build.ts';
import { parseManifest } from '../../../src/image/descriptor.ts';
import { parseImageConfig } from '../../../src/image/image-config.ts';
import type { NixQuery } from '../../../src/image/nix-query.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { storeTar } from '../../../src/image/store-tar.ts';
import { sha256 } from '../../../src/image/descriptor.ts';
import { fixedNix, makeStore, storePath, tempDir } from './fixture.ts';

const APP = storePath('app-1.0');
const LIB = storePath('lib');
const INFO = storePath('closure-info');
const many = (count: number): StorePath[] =>
  Array.from({ length: count }, (_, at) => storePath(`part-${String(at).padStart(3, '0')}`));

async function setUp(t: TestContext, paths: readonly StorePath[] = [APP, LIB], nix?: Partial<NixQuery>) {
  const dir = await tempDir(t);
  const realStoreDir = await makeStore(
    dir,
    Object.fromEntries(paths.map((path) => [`${path}/data`, `of ${path}`])),
  );
  const store = new StoreFiles({ realStoreDir });
  const out = join(dir, 'out.tar');
  const options: BuildOptions = {
    out,
    ref: 'localhost/app:1',
    format: 'oci-archive',
    compression: 'none',
    config: { Cmd: [`${APP}/bin/app`] },
    copyToRoot: [],
    storePaths: [...paths],
    annotate: 'closure',
    layered: true,
    platform: { os: 'linux', architecture: 'amd64' },
  };
  const build = async (change: Partial<BuildOptions> = {}) => {
    const { warnings } = await buildImage(
      { ...options, ...change },
      { store, nix: { ...fixedNix(paths), ...nix } },
    );
    await using set = await openImages(change.out ?? out);
    const [image] = set.images;
    assert.ok(image);
    const manifest = parseManifest(await set.read(image.target), out);
    const config = parseImageConfig(await set.read(manifest.config), out);
    const layers = [];
    for (const layer of manifest.layers ?? [])
      layers.push({ ...layer, names: await namesIn(await set.open(layer)) });
    return { warnings, manifest, config, layers };
  };
  return { dir, realStoreDir, build };
}

async function namesIn(tar: Readable): Promise<string[]> {
  const names: string[] = [];
  const reader = tar.pipe(extract());
  for await (const entry of reader) {
    names.push(entry.header.name.replace(/\/$/, ''));
    entry.resume();
  }
  return names;
}

describe('build --layered', () => {
  it('holds each path in an ordinary layer, says which, and is what the snapshotter makes of the store', async (t) => {
    const { realStoreDir, build } = await setUp(t);
    const { layers, config } = await build();
    // What is most referred to is lowest.
    const held = [[LIB], [APP]];
    for (const [at, paths] of held.entries()) {
      const { annotations, names } = layers[at] ?? { annotations: undefined, names: [] };
      const part = parseLayeredAnnotations(new Map(Object.entries(annotations ?? {})));
      assert.equal(part?.closureInfo, INFO);
      assert.deepEqual(part && pathsOfPart([APP, LIB], part), paths);
      assert.deepEqual(
        names.filter((name) => name.endsWith('/data')),
        paths.map((path) => `${path.slice(1)}/data`),
      );
      const bytes = Buffer.concat(await Readable.from(storeTar(paths, realStoreDir)).toArray());
      assert.equal(config.rootfs.diff_ids?.[at], sha256(bytes));
    }
    assert.deepEqual(
      config.history?.map((entry) => (entry as { comment?: string }).comment),
      [LIB, APP].map((path) => path.slice('/nix/store/'.length)),
    );
  });

  it('has a hundred layers at most, the last with all that are left', async (t) => {
    const paths = many(130);
    const { build } = await setUp(t, paths);
    const { layers } = await build({ config: {} });
    assert.equal(layers.length, 100);
    const names = layers.flatMap((layer) => layer.names).filter((name) => name.endsWith('/data'));
    assert.deepEqual(
      names.toSorted(),
      paths.map((path) => `${path.slice(1)}/data`),
    );
    assert.ok((layers.at(-1)?.annotations?.['containerd.io/snapshot/nix-layered-paths'] ?? '').length < 100);
  });

  it('asks the registration beside store-paths for references, not Nix', async (t) => {
    const refuse = () => Promise.reject(new Error('Nix was asked'));
    const { dir, build } = await setUp(t, [APP, LIB], { references: refuse, closure: refuse });
    const closureFile = join(dir, 'info/store-paths');
    await mkdir(dirname(closureFile));
    await writeFile(closureFile, `${APP}\n${LIB}\n`);
    const named = { closureFile, storePaths: [] };
    await assert.rejects(build(named), /Nix was asked/);
    const entry = (path: string, ...references: string[]) =>
      [path, 'sha256:0', '1', '', references.length, ...references].join('\n');
    await writeFile(join(dir, 'info/registration'), `${entry(APP, LIB)}\n${entry(LIB)}\n`);
    const { layers } = await build(named);
    assert.ok(layers[0]?.names.includes(`${LIB.slice(1)}/data`));
    await writeFile(join(dir, 'info/registration'), 'nonsense\n');
    await assert.rejects(build(named), /info\/registration: line 1 is not what is expected there/);
  });

  it('leaves nothing behind, and nothing going on, when a path cannot be read', async (t) => {
    const paths = many(20);
    const { dir, realStoreDir, build } = await setUp(t, paths);
    const bad = join(realStoreDir, (paths[10] ?? '').slice('/nix/store/'.length), 'bad');
    await promisify(execFile)('mkfifo', [bad]);
    const temporary = join(dir, 'tmp');
    await mkdir(temporary);
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = temporary;
    t.after(() => (before === undefined ? delete process.env['TMPDIR'] : (process.env['TMPDIR'] = before)));
    await assert.rejects(build({ config: {} }), {
      code: 'DataLoss',
      message: /part-010\/bad: cannot be read/,
    });
    assert.deepEqual(await readdir(temporary), []);
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.startsWith('out')),
      [],
    );
  });

  it('as a docker archive is an ordinary image', async (t) => {
    const { build } = await setUp(t);
    const { warnings, layers } = await build({ format: 'docker-archive' });
    assert.match(warnings.join('\n'), /no place for annotations: nodes unpack the layers as any others/);
    assert.ok(layers.every(({ annotations }) => annotations === undefined));
  });
});
