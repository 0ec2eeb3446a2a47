import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'smol-toml';
import { loadAccessToken } from '../../../src/resolver/access-token.ts';
import { ALL, AUTH, DROP_IN, fileTree, HOSTS, MAIN, OWN_MAIN, ROOT } from './file-tree.ts';
import { toml } from './toml.ts';

describe('setup of a file tree', () => {
  const tree = fileTree();
  const { here, put, setup, filesBelow } = tree;

  it('a version of containerd that is none is refused, and nothing is written', async () => {
    await assert.rejects(setup(['containerd'], { containerdVersion: 'newest' }), {
      code: 'InvalidArgument',
      message: '--containerd-version newest is no version of containerd; give one such as 2.3.7',
    });
    assert.equal((await filesBelow()).size, 0);
  });

  it('a second run finds nothing to change, and undo leaves every byte as it was', async () => {
    await put(MAIN, OWN_MAIN, 0o640);
    await put(AUTH, '{"auths":{}}', 0o644);
    await put('/etc/rancher/k3s/registries.yaml', 'mirrors: {}\n');
    const before = await filesBelow();
    assert.match(await setup(ALL), /created .*hosts\.toml/);
    for (const secret of [HOSTS, AUTH, '/etc/rancher/k3s/registries.yaml', `${ROOT}/setup.json`])
      assert.equal((await stat(here(secret))).mode & 0o777, 0o600, secret);
    assert.equal((await stat(here(MAIN))).mode & 0o777, 0o640);
    const between = await filesBelow();
    assert.match(await setup(ALL), /nothing to change/);
    assert.deepEqual(await filesBelow(), between);
    await setup(ALL, { undo: true });
    const after = new Map(await filesBelow());
    assert.ok(after.delete(here(`${ROOT}/resolver-token`)));
    assert.deepEqual(after, before);
    assert.match(await setup(ALL, { undo: true }), /nothing to undo/);
  });

  it('what lies above the daemon’s root is for everyone, the root for its owner; undo of nothing makes nothing', async () => {
    assert.match(await setup(ALL, { undo: true }), /nothing to undo/);
    assert.equal(existsSync(here('/var')), false);
    await setup(['nerdctl']);
    for (const above of ['/var', '/var/lib', dirname(ROOT)])
      assert.equal((await stat(here(above))).mode & 0o777, 0o755, above);
    assert.equal((await stat(here(ROOT))).mode & 0o777, 0o700);
  });

  it('hosts alone brings the token to where clients look, and leaves containerd and nerdctl alone', async () => {
    await put('/etc/nix-snapshotter/config.toml', '[resolver]\naddress = "127.0.0.1:7373"\n');
    const before = await filesBelow();
    await setup(['hosts']);
    const made = [...(await filesBelow()).keys()].filter((path) => !before.has(path));
    const hosts = ['nix_0_', 'nix.local'].map((host) => here(`/etc/containerd/certs.d/${host}/hosts.toml`));
    const records = [here(`${ROOT}/resolver-token`), here(`${ROOT}/setup.json`)];
    assert.deepEqual(made.toSorted(), [...hosts, ...records].toSorted());
    assert.equal((await stat(here(HOSTS))).mode & 0o777, 0o600);
    await setup(['nerdctl']);
    assert.match(await setup(['hosts'], { undo: true }), /hosts\.toml: still needed for nerdctl/);
  });

  it('nothing is written in a dry run, and no secret is shown', async () => {
    await put(MAIN, OWN_MAIN);
    const said = await setup(['containerd'], { dryRun: true });
    assert.match(said, /would create {2}\/etc\/containerd\/certs\.d\/nix_0_\/hosts\.toml\n--- \/dev\/null/);
    assert.match(said, /\+imports = \["\/etc\/containerd\/conf\.d\/\*\.toml"\]/);
    assert.equal((await filesBelow()).size, 1);
    await setup(ALL);
    const token = (await readFile(here(`${ROOT}/resolver-token`), 'utf8')).trim();
    for (const shown of [await setup(ALL, { undo: true, dryRun: true }), await setup(ALL, { print: true })]) {
      assert.ok(!shown.includes(token));
      assert.ok(!shown.includes(Buffer.from(`nix-snapshotter:${token}`).toString('base64')));
      assert.ok(shown.includes(`<the text of ${ROOT}/resolver-token>`));
    }
    assert.ok(existsSync(here(DROP_IN)));
  });

  it('the image service is told the snapshotter’s name in k3s, unless it is there', async () => {
    const config = '/etc/nix-snapshotter/config.toml';
    const serviceIn = async () => toml(await readFile(here(config), 'utf8'))['image_service'];
    await put(config, '[image_service]\nenable = true\n');
    await setup(['k3s']);
    assert.deepEqual(await serviceIn(), { enable: true, snapshotter: 'nix-snapshotter' });
    assert.match(await setup(['k3s']), /nothing to change/);
    assert.match(await setup(['k3s'], { print: true }), /^snapshotter = "nix-snapshotter" #/m);
    await setup(['k3s'], { undo: true });
    assert.equal(await readFile(here(config), 'utf8'), '[image_service]\nenable = true\n');
    for (const service of [{ enable: true, snapshotter: 'nix' }, { enable: false }]) {
      await put(config, stringify({ image_service: service }));
      await setup(['k3s']);
      assert.deepEqual(await serviceIn(), service);
    }
  });

  describe('credentials of others', () => {
    const LOGIN = 's3cretOfOthers';
    const REGISTRIES = '/etc/rancher/k3s/registries.yaml';
    const CRI_1 = 'io.containerd.grpc.v1.cri';

    it('in files that get the token are shown by no dry run, and only changed lines are', async () => {
      for (const auth of [
        `{"auths":{"quay.io":{"auth":"${LOGIN}"}}}`,
        `{\n  "auths": {\n    "quay.io": {\n      "auth": "${LOGIN}"\n    }\n  }\n}\n`,
      ]) {
        await put(AUTH, auth, 0o600);
        await put(REGISTRIES, `configs:\n  quay.io:\n    auth:\n      password: ${LOGIN}\n`, 0o600);
        const said = await setup(['podman', 'k3s'], { dryRun: true });
        assert.doesNotMatch(said, new RegExp(LOGIN));
        assert.match(said, /\+ +"auth": "<base64 of nix-snapshotter:<the text of /);
        assert.match(said, /\+ +password: <the text of /);
        assert.doesNotMatch(said, /^ /m);
        await setup(['podman', 'k3s']);
        for (const undo of [true, false])
          assert.doesNotMatch(await setup(['podman', 'k3s'], { undo, dryRun: true }), new RegExp(LOGIN));
        await setup(['podman', 'k3s'], { undo: true });
      }
    });

    it('that the drop-in for 1.7 repeats are for its owner alone, and not shown', async () => {
      const table = `plugins."${CRI_1}".registry.configs."quay.io".auth`;
      await put(MAIN, `version = 2\n[${table}]\nusername = "u"\npassword = "${LOGIN}"\n`, 0o600);
      const on17 = { containerdVersion: '1.7.24' };
      for (const more of [{ dryRun: true }, { print: true }]) {
        const said = await setup(['containerd'], { ...on17, ...more });
        assert.doesNotMatch(said, new RegExp(LOGIN));
        assert.match(said, /password = "<not shown>"/);
      }
      await setup(['containerd'], on17);
      assert.match(await readFile(here(DROP_IN), 'utf8'), new RegExp(LOGIN));
      assert.equal((await stat(here(DROP_IN))).mode & 0o777, 0o600);
      await chmod(here(DROP_IN), 0o644);
      assert.match(await setup(['containerd'], on17), /changed +\/etc\/containerd\/conf\.d/);
      assert.equal((await stat(here(DROP_IN))).mode & 0o777, 0o600);
      assert.doesNotMatch(await setup(['containerd'], { undo: true, dryRun: true }), new RegExp(LOGIN));
    });
  });

  it('a file that is changed after the plan was made of it is not overwritten', async () => {
    await put(MAIN, OWN_MAIN);
    const theirs = `${OWN_MAIN}[debug]\n`;
    const loadToken = async (file: string) => {
      await put(MAIN, theirs);
      return await loadAccessToken(file);
    };
    await assert.rejects(setup(['containerd'], {}, loadToken), {
      code: 'Aborted',
      message: /config\.toml was changed .*; run setup again/,
    });
    assert.equal(await readFile(here(MAIN), 'utf8'), theirs);
    assert.equal(existsSync(here(DROP_IN)), false);
  });

  it('after an upgrade of containerd the drop-in is made anew', async () => {
    await put(MAIN, 'version = 2\n');
    await setup(['containerd'], { containerdVersion: '1.7.24' });
    const said = await setup(['containerd'], { containerdVersion: '2.3.7' });
    assert.match(said, /changed +\/etc\/containerd\/conf\.d\/90-nix-snapshotter\.toml/);
    assert.equal(toml(await readFile(here(DROP_IN), 'utf8'))['version'], 3);
    await setup(['containerd'], { undo: true });
    assert.equal(await readFile(here(MAIN), 'utf8'), 'version = 2\n');
  });

  for (const [what, prepare, told] of [
    [
      'a directory in place of the file',
      () => mkdir(here(MAIN), { recursive: true }),
      /config\.toml is a directory/,
    ],
    ['bytes that are no text', () => put(MAIN, Uint8Array.of(0xff, 0xfe)), /config\.toml is not UTF-8 text/],
    ['no TOML', () => put(MAIN, 'version = '), /config\.toml is not TOML/],
    [
      'a link into the Nix store',
      async () => {
        await mkdir(here('/etc/containerd'), { recursive: true });
        await symlink('/nix/store/h-config.toml', here(MAIN));
      },
      /NixOS makes it.*virtualisation\.containerd\.settings/,
    ],
    [
      'a link to nowhere',
      async () => {
        await mkdir(here('/etc/containerd'), { recursive: true });
        await symlink('/nowhere', here(MAIN));
      },
      /is a link to \/nowhere, where nothing is/,
    ],
    [
      'a file of somebody else',
      () => put(HOSTS, 'server = "http://mine"\n'),
      /hosts\.toml is there and not from setup/,
    ],
    ['a root of the Go version', () => put(`${ROOT}/metadata.db`, ''), /belongs to the Go version/],
    [
      'a manifest that is none',
      () => put(`${ROOT}/setup.json`, '{"version":2}'),
      /setup\.json is not what setup wrote/,
    ],
    [
      'an unusable configuration of the daemon',
      () => put('/etc/nix-snapshotter/config.toml', 'a = 1'),
      /config\.toml: a: /,
    ],
  ] as const) {
    it(`${what} is told, and nothing is written`, async () => {
      await prepare();
      const before = await filesBelow().catch(() => undefined);
      await assert.rejects(setup(['containerd']), { message: told });
      assert.deepEqual(await filesBelow().catch(() => undefined), before);
    });
  }

  it('what NixOS makes can be shown to be placed by its options', async () => {
    await put('/nix/store/h-config.toml', OWN_MAIN);
    await mkdir(here('/etc/containerd'), { recursive: true });
    await symlink(here('/nix/store/h-config.toml'), here(MAIN));
    const said = await setup(['containerd'], { print: true });
    assert.match(said, /# add to \/etc\/containerd\/config\.toml\nimports = /);
    assert.match(said, /\[proxy_plugins\.nix\]/);
  });

  it('a relative top is one below the working directory; one that is not there is told', async () => {
    await put(MAIN, OWN_MAIN);
    const relativeTop = relative(process.cwd(), tree.rootDir);
    await setup(['containerd'], { rootDir: relativeTop });
    assert.ok(existsSync(here(DROP_IN)));
    await setup(['containerd'], { rootDir: relativeTop, undo: true });
    assert.equal(await readFile(here(MAIN), 'utf8'), OWN_MAIN);
    for (const nowhere of [here('/nowhere'), here(MAIN)]) {
      await assert.rejects(setup(['containerd'], { rootDir: nowhere }), {
        code: 'InvalidArgument',
        message: `--root-dir ${nowhere} is not a directory; make the file tree first`,
      });
    }
    assert.equal(existsSync(here('/nowhere')), false);
  });

  it('another containerd than this node’s has to be named', async () => {
    await assert.rejects(setup(['containerd'], { containerdVersion: undefined }), {
      code: 'InvalidArgument',
      message: /give --containerd-version/,
    });
  });
});
