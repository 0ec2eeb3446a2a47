import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { buildCommand, type BuildFlags } from '../../../src/image/build-command.ts';
import { parseManifest } from '../../../src/image/descriptor.ts';
import { parseImageConfig } from '../../../src/image/image-config.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { elf, fixedNix, makeStore, ociImage, ociMembers, storePath, tarOf, tempDir } from './fixture.ts';

const APP = storePath('app-1.0');
const LIB = storePath('lib');
const CONFIG = storePath('config.json');
const INFO = storePath('closure-info');
const FLAGS: BuildFlags = {
  args: [],
  copyToRoot: [],
  format: 'oci-archive',
  compression: 'gzip',
  annotate: 'closure',
  layered: false,
  entrypoint: [],
  cmd: [],
  env: [],
  label: [],
};

async function setUp(t: TestContext, closure: readonly StorePath[] = [APP, LIB]) {
  const dir = await tempDir(t);
  const realStoreDir = await makeStore(dir, {
    [`${APP}/bin/app`]: `#!${LIB}/bin/sh\n`,
    [`${APP}/bin/link`]: { link: 'app' },
    [`${LIB}/bin/sh`]: elf(183),
    [CONFIG]: '{}',
  });
  const build = (flags: Partial<BuildFlags>) =>
    buildCommand(
      { ...FLAGS, out: join(dir, 'out.tar'), ...flags },
      { store: new StoreFiles({ realStoreDir }), nix: fixedNix(closure) },
    );
  return { dir, build };
}

async function inspect(path: string) {
  await using set = await openImages(path);
  const [image] = set.images;
  assert.ok(image);
  const manifest = parseManifest(await set.read(image.target), path);
  const config = parseImageConfig(await set.read(manifest.config), path);
  return { image, manifest, config };
}

describe('build', () => {
  it('from store paths: closure annotated, platform of the program behind #!', async (t) => {
    const { dir, build } = await setUp(t);
    const result = await build({
      args: [APP],
      entrypoint: [`${APP}/bin/app`],
      env: ['A=1'],
      label: ['l=1=2'],
      user: '1',
      workdir: '/w',
    });
    assert.deepEqual(result.warnings, []);
    assert.deepEqual(result.platform, { os: 'linux', architecture: 'arm64' });
    const { image, manifest, config } = await inspect(join(dir, 'out.tar'));
    assert.deepEqual(image.names, ['localhost/out:latest']);
    assert.deepEqual(
      manifest.layers?.map((layer) => layer.annotations),
      [
        {
          'containerd.io/snapshot/nix-closure': INFO,
          'containerd.io/snapshot/nix-layer-digest': manifest.layers?.[0]?.digest,
        },
      ],
    );
    assert.equal(config.architecture, 'arm64');
    assert.deepEqual(config.config, {
      Entrypoint: [`${APP}/bin/app`],
      Env: ['A=1'],
      Labels: { l: '1=2' },
      User: '1',
      WorkingDir: '/w',
    });
  });

  it('as the Go tool is called: --closure FILE --config FILE --copy-to-root FILE OUT', async (t) => {
    const { dir } = await setUp(t, []);
    const files = {
      config: '{"entrypoint":["/bin/app"]}',
      'root.json': JSON.stringify([APP]),
      'store-paths': `${APP}\n${LIB}\n`,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    const store = new StoreFiles({ realStoreDir: join(dir, 'store') });
    const result = await buildCommand(
      {
        ...FLAGS,
        args: [join(dir, 'image.tar')],
        config: join(dir, 'config'),
        closure: join(dir, 'store-paths'),
        copyToRoot: [join(dir, 'root.json')],
        ref: 'ghcr.io/x/app:1',
      },
      { store, nix: fixedNix([]) },
    );
    assert.deepEqual(result.warnings, []);
    const { image, config } = await inspect(join(dir, 'image.tar'));
    assert.deepEqual(image.names, ['ghcr.io/x/app:1']);
    assert.deepEqual(config.config?.Entrypoint, ['/bin/app']);
    assert.equal(config.architecture, 'arm64');
  });

  it('with --closure any program of the closure tells the platform, Nix is not asked', async (t) => {
    const { dir } = await setUp(t, []);
    await writeFile(join(dir, 'store-paths'), `${CONFIG}\n${APP}\n${LIB}\n`);
    const { platform } = await buildCommand(
      { ...FLAGS, args: [join(dir, 'image.tar')], closure: join(dir, 'store-paths') },
      { store: new StoreFiles({ realStoreDir: join(dir, 'store') }), nix: fixedNix([]) },
    );
    assert.equal(platform.architecture, 'arm64');
  });

  it('same input, same bytes; every format and compression has the same diff id', async (t) => {
    const { dir, build } = await setUp(t);
    const flags = { args: [APP], entrypoint: [`${APP}/bin/app`], copyToRoot: [APP], ref: 'x:1' };
    await build({ ...flags, out: join(dir, 'one.tar') });
    await build({ ...flags, out: join(dir, 'two.tar') });
    assert.deepEqual(await readFile(join(dir, 'one.tar')), await readFile(join(dir, 'two.tar')));
    const diffIds = new Set<string>();
    for (const format of ['oci-archive', 'oci-layout', 'docker-archive'] as const) {
      for (const compression of ['none', 'gzip', 'zstd'] as const) {
        const out = join(dir, `${format}-${compression}`);
        await build({ ...flags, format, compression, out });
        diffIds.add(String((await inspect(out)).config.rootfs.diff_ids));
      }
    }
    assert.equal(diffIds.size, 1);
  });

  it('the Nix layer depends on the closure only; links are an ordinary layer on it', async (t) => {
    const { dir, build } = await setUp(t);
    const layersOf = async (flags: Partial<BuildFlags>) => {
      await build({ args: [APP, LIB], cmd: ['app'], ...flags });
      const { manifest, config } = await inspect(join(dir, 'out.tar'));
      assert.equal(config.history?.length, manifest.layers?.length);
      assert.equal(config.rootfs.diff_ids?.length, manifest.layers?.length);
      return manifest.layers ?? [];
    };
    const [plain, ...noLinks] = await layersOf({});
    assert.deepEqual(noLinks, []);
    const digests = new Set<string>();
    for (const copyToRoot of [[APP], [LIB], [APP, LIB]]) {
      const [nixLayer, links, ...more] = await layersOf({ copyToRoot });
      assert.deepEqual(nixLayer, plain);
      assert.ok(links !== undefined);
      assert.equal(links.annotations, undefined);
      assert.deepEqual(more, []);
      digests.add(links.digest);
    }
    assert.equal(digests.size, 3);
  });

  it('on a base: layers, history and config are continued', async (t) => {
    const { dir, build } = await setUp(t);
    const base = await ociImage({
      platform: { os: 'linux', architecture: 'arm64' },
      config: { Env: ['PATH=/bin'], Cmd: ['x'], Volumes: { '/data': {} } },
    });
    const path = join(dir, 'base.tar');
    await writeFile(path, await tarOf(ociMembers(base.blobs, [base.descriptor])));
    const result = await build({ args: [APP], entrypoint: ['app'], fromImage: path });
    assert.match(result.warnings.join('\n'), /volumes are declared \(\/data\)/);
    const { manifest, config } = await inspect(join(dir, 'out.tar'));
    assert.equal(manifest.layers?.length, 2);
    assert.equal(config.rootfs.diff_ids?.length, 2);
    assert.equal(config.history?.length, 2);
    assert.deepEqual(config.config, { Entrypoint: ['app'], Env: ['PATH=/bin'], Volumes: { '/data': {} } });
    assert.equal(manifest.annotations?.['org.opencontainers.image.base.digest'], base.descriptor.digest);
    await assert.rejects(build({ args: [APP], fromImage: path, platform: 'linux/amd64' }), {
      code: 'NotFound',
      message: /only linux\/arm64/,
    });
  });

  it('path by path, in the older format', async (t) => {
    const { dir, build } = await setUp(t);
    await build({ args: [APP], annotate: 'paths' });
    const { manifest } = await inspect(join(dir, 'out.tar'));
    assert.deepEqual(manifest.layers?.[0]?.annotations, {
      'containerd.io/snapshot/nix-layer': 'true',
      'containerd.io/snapshot/nix-store-path.0': APP,
      'containerd.io/snapshot/nix-store-path.1': LIB,
      'containerd.io/snapshot/nix-layer-digest': manifest.layers?.[0]?.digest,
    });
  });

  it('a layout keeps other images, and replaces one of the same name', async (t) => {
    const { dir, build } = await setUp(t);
    const out = join(dir, 'layout');
    for (const [ref, entrypoint] of [
      ['a:1', '/1'],
      ['b:1', '/2'],
      ['a:1', '/3'],
    ] as const) {
      await build({ args: [APP], format: 'oci-layout', out, ref, entrypoint: [entrypoint] });
    }
    await using set = await openImages(out);
    assert.deepEqual(
      set.images.map((image) => image.names[0]),
      ['docker.io/library/b:1', 'docker.io/library/a:1'],
    );
  });

  it('warns of what will hurt', async (t) => {
    const { build } = await setUp(t, [APP]);
    const said = async (flags: Partial<BuildFlags>) =>
      (await build({ args: [APP], platform: 'linux/amd64', ...flags })).warnings.join('\n');
    assert.match(await said({}), /no entrypoint and no command/);
    assert.match(
      await said({ entrypoint: [`${LIB}/bin/sh`] }),
      new RegExp(`${LIB} is used but is not in the closure`),
    );
    assert.match(await said({ entrypoint: ['/bin/none'] }), /\/bin\/none is not in the image/);
    assert.match(await said({ entrypoint: ['app'] }), /"app" is no absolute path/);
    assert.equal(await said({ entrypoint: ['app'], copyToRoot: [APP] }), '');
    assert.match(
      await said({ entrypoint: [`${APP}/bin/app`], user: 'alice:users' }),
      /"alice" is a name.*passwd/,
    );
    assert.match(
      await said({ entrypoint: [`${APP}/bin/app`], format: 'docker-archive' }),
      /no place for annotations/,
    );
  });

  it('refuses what makes no sense, and leaves nothing', async (t) => {
    const { dir, build } = await setUp(t);
    const fails = (flags: Partial<BuildFlags>, code: string, message: RegExp) =>
      assert.rejects(build(flags), { code, message });
    await fails({}, 'InvalidArgument', /no store path is named/);
    await fails({ args: [APP, 'other.tar'] }, 'InvalidArgument', /not in the store.*other\.tar/);
    await fails({ args: ['/nix/store/nonsense'] }, 'InvalidArgument', /not a legal store path/);
    await fails({ args: [APP], env: ['A'] }, 'InvalidArgument', /--env A/);
    await fails({ args: [APP], entrypoint: ['["a", 1]'] }, 'InvalidArgument', /--entrypoint/);
    await fails(
      { args: [APP], copyToRoot: [CONFIG.replace('config', 'absent')] },
      'NotFound',
      /absent\.json/,
    );
    await fails({ args: [APP], copyToRoot: [storePath('absent')] }, 'NotFound', /not in the store: .*absent/);
    await fails({ args: [APP], ref: 'Upper' }, 'InvalidArgument', /upper case/);
    await fails({ args: [APP], fromImage: join(dir, 'store') }, 'InvalidArgument', /not an image/);
    await fails({ closure: join(dir, 'none') }, 'NotFound', /closure .*none/);
    await fails({ args: [APP], out: '/dev/full' }, 'ResourceExhausted', /^\/dev\/full: cannot be written/);
    const { build: unknown } = await setUp(t, [CONFIG]);
    await assert.rejects(unknown({ args: [CONFIG] }), { code: 'InvalidArgument', message: /--platform/ });
    assert.deepEqual(await readdir(dir), ['store']);
  });

  it('a failure in the middle leaves an existing file as it was', async (t) => {
    const { dir, build } = await setUp(t);
    const base = await ociImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const members = ociMembers(base.blobs, [base.descriptor]);
    const broken = Buffer.from(base.layer);
    broken[700] = 1;
    const changed = members.map((member) =>
      member.content === base.layer ? { ...member, content: broken } : member,
    );
    await writeFile(join(dir, 'base.tar'), await tarOf(changed));
    await writeFile(join(dir, 'out.tar'), 'before');
    await assert.rejects(build({ args: [APP], fromImage: join(dir, 'base.tar') }), { code: 'DataLoss' });
    assert.equal(await readFile(join(dir, 'out.tar'), 'utf8'), 'before');
    assert.deepEqual((await readdir(dir)).toSorted(), ['base.tar', 'out.tar', 'store']);
  });

  it('10,000 files linked at the root', async (t) => {
    const { dir, build } = await setUp(t, [storePath('big')]);
    const bin = join(dir, 'store', storePath('big').slice('/nix/store/'.length), 'bin');
    await mkdir(bin, { recursive: true });
    for (let i = 0; i < 10_000; i++) await writeFile(join(bin, `tool-${i}`), '');
    const result = await build({ copyToRoot: [storePath('big')], platform: 'linux/amd64', cmd: ['tool-1'] });
    assert.deepEqual(result.warnings, []);
  });
});
