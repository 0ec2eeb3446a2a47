import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import {
  chmod,
  glob,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execa } from 'execa';
import { stringify } from 'smol-toml';
import { loadAccessToken } from '../../../src/resolver/access-token.ts';
import type { Target } from '../../../src/setup/file-change.ts';
import { runSetup } from '../../../src/setup/run.ts';
import type { SetupOptions } from '../../../src/setup/session.ts';
import { toml } from './toml.ts';

const MAIN = '/etc/containerd/config.toml';
const DROP_IN = '/etc/containerd/conf.d/90-nix-snapshotter.toml';
const HOSTS = '/etc/containerd/certs.d/nix_0_/hosts.toml';
const AUTH = '/root/.config/containers/auth.json';
const ROOT = '/var/lib/containerd/io.containerd.snapshotter.v1.nix';
const OWN_MAIN = 'version = 3\n# mine\n[grpc]\n  address = "/run/containerd/containerd.sock"\n';
const ALL: readonly Target[] = ['containerd', 'hosts', 'k3s', 'nerdctl', 'podman'];

describe('setup of a file tree', () => {
  let rootDir: string;
  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'setup-'));
  });
  afterEach(async () => await rm(rootDir, { recursive: true }));

  const here = (path: string) => join(rootDir, path);
  const put = async (path: string, content: string | Uint8Array, mode = 0o644) => {
    await mkdir(dirname(here(path)), { recursive: true });
    await writeFile(here(path), content);
    await chmod(here(path), mode);
  };
  const setup = async (
    targets: readonly Target[],
    more: Partial<SetupOptions> = {},
    loadToken = loadAccessToken,
  ): Promise<string> => {
    let said = '';
    await runSetup(
      { targets, print: false, dryRun: false, undo: false, rootDir, containerdVersion: '2.3.7', ...more },
      { env: {}, uid: 0, write: (text) => (said += text), loadToken },
    );
    return said;
  };
  const filesBelow = async (): Promise<ReadonlyMap<string, string>> => {
    const entries = await Array.fromAsync(glob('**', { cwd: rootDir, withFileTypes: true }));
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return new Map(
      await Promise.all(
        files.map(
          async (file) => [file, `${(await stat(file)).mode} ${await readFile(file, 'utf8')}`] as const,
        ),
      ),
    );
  };

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

  it('undo without a target takes back all that is written, and speaks of that alone', async () => {
    const before = await filesBelow();
    await setup(['hosts', 'nerdctl', 'podman']);
    assert.doesNotMatch(await setup([], { undo: true }), /LEFT|still needed|Now run/);
    const left = [...(await filesBelow()).keys()].filter((path) => !before.has(path));
    assert.deepEqual(left, [here(`${ROOT}/resolver-token`)]);
    assert.match(await setup([], { undo: true }), /nothing to undo/);
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

  it('undo prints the command that lists containers for each containerd that it was for', async () => {
    for (const [targets, commands] of [
      [['containerd'], ['ctr']],
      [['k3s'], ['k3s ctr']],
      [
        ['containerd', 'k3s'],
        ['ctr', 'k3s ctr'],
      ],
    ] as const) {
      await setup(targets);
      const said = await setup(targets, { undo: true });
      const listed = [...said.matchAll(/^ {2}for n in \$\((.*?) namespace ls -q\)/gm)].map(([, ctr]) => ctr);
      assert.deepEqual(listed, commands);
    }
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

  it('what was changed since is kept: our lines go, a file of ours is left and told', async () => {
    await put(MAIN, OWN_MAIN);
    await setup(['containerd', 'podman']);
    await put(MAIN, `${await readFile(here(MAIN), 'utf8')}[debug]\nlevel = "debug"\n`);
    await put(HOSTS, 'server = "http://other"\n');
    const auth = JSON.parse(await readFile(here(AUTH), 'utf8')) as { auths: object };
    await put(AUTH, JSON.stringify({ auths: { ...auth.auths, other: { auth: 'y' } } }));
    await assert.rejects(setup(['containerd']), {
      code: 'FailedPrecondition',
      message: /hosts\.toml was changed since setup wrote it; compare/,
    });
    const said = await setup(['containerd', 'podman'], { undo: true });
    assert.match(said, /LEFT +\/etc\/containerd\/certs\.d\/nix_0_\/hosts\.toml: changed since/);
    assert.equal(await readFile(here(MAIN), 'utf8'), `${OWN_MAIN}[debug]\nlevel = "debug"\n`);
    assert.equal(await readFile(here(HOSTS), 'utf8'), 'server = "http://other"\n');
    assert.deepEqual(JSON.parse(await readFile(here(AUTH), 'utf8')), { auths: { other: { auth: 'y' } } });
    assert.equal(existsSync(here(DROP_IN)), false);
  });

  it('undo of one target leaves what another still needs', async () => {
    await setup(['containerd', 'nerdctl']);
    assert.match(await setup(['containerd'], { undo: true }), /hosts\.toml: still needed for nerdctl/);
    assert.ok(existsSync(here(HOSTS)));
    assert.equal(existsSync(here(DROP_IN)), false);
    await setup(['nerdctl'], { undo: true });
    assert.equal(existsSync(here('/etc/containerd')), false);
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

  it('a later run with other settings is undone together with the first', async () => {
    await put(MAIN, OWN_MAIN);
    await setup(['containerd']);
    await put('/etc/nix-snapshotter/config.toml', '[resolver]\naddress = "127.0.0.1:9999"\n');
    assert.match(await setup(['containerd']), /changed +\/etc\/containerd\/certs\.d\/nix_0_/);
    assert.match(await readFile(here(HOSTS), 'utf8'), /127\.0\.0\.1:9999/);
    await setup(['containerd'], { undo: true });
    assert.equal(await readFile(here(MAIN), 'utf8'), OWN_MAIN);
    assert.equal(existsSync(here(HOSTS)), false);
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

  it('a step that fails takes back those before it', async () => {
    await put(MAIN, OWN_MAIN);
    await put('/etc/nerdctl', 'a file where a directory belongs');
    const before = await filesBelow();
    await assert.rejects(setup(['containerd', 'nerdctl']), {
      code: 'FailedPrecondition',
      message: /^\/etc\/nerdctl\/nerdctl\.toml: E/,
    });
    const after = new Map(await filesBelow());
    after.delete(here(`${ROOT}/resolver-token`));
    assert.deepEqual(after, before);
    assert.equal(existsSync(here('/etc/containerd/certs.d')), false);
  });

  it('what a crash left half done is undone', async () => {
    await put(MAIN, OWN_MAIN);
    await setup(['containerd']);
    // As if it had come after the first file.
    await put(MAIN, OWN_MAIN);
    for (const file of [DROP_IN, HOSTS]) await rm(here(file));
    assert.match(await setup(['containerd'], { undo: true }), /config\.toml: as it was before setup/);
    assert.equal(await readFile(here(MAIN), 'utf8'), OWN_MAIN);
    for (const made of ['/etc/containerd/certs.d', '/etc/containerd/conf.d', `${ROOT}/setup.json`])
      assert.equal(existsSync(here(made)), false, made);
  });

  describe('what was made anew, or what a crash left as it was, and a rerun', () => {
    const NERDCTL = '/etc/nerdctl/nerdctl.toml';
    const REGISTRIES = '/etc/rancher/k3s/registries.yaml';
    const FIRST: Readonly<Record<string, string>> = {
      [MAIN]: OWN_MAIN,
      [NERDCTL]: 'debug = false\n',
      [AUTH]: '{"auths":{"quay.io":{"auth":"eDp5"}}}',
      [REGISTRIES]: 'mirrors: {docker.io: {endpoint: [a]}}\n',
    };
    const ANEW: Readonly<Record<string, string>> = {
      [MAIN]: 'version = 3\n[debug]\n  level = "info"\n',
      [NERDCTL]: 'debug = true\n',
      [AUTH]: '{"auths":{"ghcr.io":{"auth":"eDp6"}}}',
      [REGISTRIES]: '{}\n',
    };
    const putAll = async (texts: Readonly<Record<string, string>>) => {
      for (const [path, text] of Object.entries(texts)) await put(path, text, 0o640);
    };
    const assertAll = async (texts: Readonly<Record<string, string>>) => {
      for (const [path, text] of Object.entries(texts)) {
        assert.equal(await readFile(here(path), 'utf8'), text, path);
        assert.equal((await stat(here(path))).mode & 0o777, 0o640, path);
      }
    };

    for (const [what, before, texts] of [
      ['other text', FIRST, ANEW],
      ['the same text', FIRST, FIRST],
      ['a text where none was', {}, ANEW],
    ] as const) {
      it(`${what}: undo leaves every byte as it was before the rerun`, async () => {
        await putAll(before);
        await setup(ALL);
        await putAll(texts);
        await setup(ALL);
        assert.doesNotMatch(await setup(ALL, { undo: true }), /LEFT/);
        await assertAll(texts);
      });
    }

    it('what a later run adds comes out together with what is left of the first', async () => {
      await putAll(FIRST);
      await setup(['containerd', 'nerdctl']);
      await put(NERDCTL, `${await readFile(here(NERDCTL), 'utf8')}cgroup_manager = "cgroupfs"\n`);
      await put(MAIN, `${OWN_MAIN}[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = "/mine"\n`);
      assert.match(await setup(['containerd', 'nerdctl']), /changed +\/etc\/nerdctl/);
      assert.doesNotMatch(await setup(['containerd', 'nerdctl'], { undo: true }), /LEFT/);
      assert.equal(await readFile(here(NERDCTL), 'utf8'), `${FIRST[NERDCTL]}cgroup_manager = "cgroupfs"\n`);
    });
  });

  it('undo gives back no mode of a file that got secrets meanwhile', async () => {
    await put(MAIN, OWN_MAIN);
    await setup(['containerd']);
    await put(MAIN, `${await readFile(here(MAIN), 'utf8')}[secret]\n`, 0o600);
    await setup(['containerd'], { undo: true });
    assert.equal(await readFile(here(MAIN), 'utf8'), `${OWN_MAIN}[secret]\n`);
    assert.equal((await stat(here(MAIN))).mode & 0o777, 0o600);
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

  it('a link to another file stays a link', async () => {
    await put('/data/config.toml', OWN_MAIN);
    await mkdir(here('/etc/containerd'), { recursive: true });
    await symlink(here('/data/config.toml'), here(MAIN));
    await setup(['containerd']);
    assert.match(await readFile(here('/data/config.toml'), 'utf8'), /imports/);
    await setup(['containerd'], { undo: true });
    assert.equal(await readFile(here(MAIN), 'utf8'), OWN_MAIN);
  });

  describe('a link that leads out of the tree', () => {
    let host: string;
    beforeEach(async () => {
      host = await mkdtemp(join(tmpdir(), 'host-'));
    });
    afterEach(async () => await rm(host, { recursive: true }));

    for (const [what, path] of [
      ['a directory', '/etc/containerd'],
      ['the daemon’s root', ROOT],
      ['the directory of a configuration that is not there yet', '/etc/nix-snapshotter'],
      ['a file', MAIN],
    ] as const) {
      it(`${what}: is told with the path, and the host’s own files stay`, async () => {
        const target = path === MAIN ? join(host, 'config.toml') : host;
        await writeFile(join(host, 'config.toml'), OWN_MAIN);
        await mkdir(dirname(here(path)), { recursive: true });
        await symlink(target, here(path));
        for (const undo of [false, true]) {
          const run = setup(['containerd'], { undo });
          // Undo that finds no record has nothing to look at.
          if (undo && path !== ROOT && path !== '/etc/nix-snapshotter') await run;
          else {
            await assert.rejects(run, ({ code, message }: { code: string; message: string }) => {
              assert.equal(code, 'FailedPrecondition');
              return message.includes(`is a link to ${target}, out of ${rootDir};`) && message.includes(path);
            });
          }
        }
        assert.deepEqual(await readdir(host), ['config.toml']);
        assert.equal(await readFile(join(host, 'config.toml'), 'utf8'), OWN_MAIN);
      });
    }

    it('undo follows none that came after setup', async () => {
      await setup(['containerd']);
      await rename(here('/etc/containerd'), join(host, 'containerd'));
      await symlink(join(host, 'containerd'), here('/etc/containerd'));
      await assert.rejects(setup(['containerd'], { undo: true }), { message: /out of/ });
      assert.ok(existsSync(join(host, 'containerd/conf.d/90-nix-snapshotter.toml')));
    });
  });

  it('a relative top is one below the working directory; one that is not there is told', async () => {
    await put(MAIN, OWN_MAIN);
    const relativeTop = relative(process.cwd(), rootDir);
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

  it('nerdctl of another user than root is set up in that user’s files', async () => {
    const config = here('/daemon.toml');
    await put('/daemon.toml', `root = "${here('/data')}"\n[resolver]\naddress = "127.0.0.1:9999"\n`);
    const options = { targets: ['nerdctl'], print: false, dryRun: false, undo: false, config } as const;
    const deps = { env: { HOME: rootDir }, uid: 1000, write: () => {}, loadToken: loadAccessToken };
    let told = '';
    let said = '';
    const write = (text: string) => (said += text);
    await runSetup(options, { ...deps, write: (text) => (told += text) });
    assert.match(told, /systemctl --user restart nix-snapshotter.service/);
    const hostsDir = here('/.config/containerd/certs.d');
    assert.deepEqual(toml(await readFile(here('/.config/nerdctl/nerdctl.toml'), 'utf8')), {
      snapshotter: 'nix',
      hosts_dir: [hostsDir],
    });
    assert.match(await readFile(`${hostsDir}/nix_0_/hosts.toml`, 'utf8'), /127\.0\.0\.1:9999/);
    await runSetup({ ...options, undo: true }, deps);
    assert.equal(existsSync(here('/.config')), false);
    await runSetup({ ...options, print: true, config: relative(process.cwd(), config) }, { ...deps, write });
    assert.match(said, /127\.0\.0\.1:9999/);
    for (const unset of ['', 'relative']) {
      await runSetup(options, { ...deps, env: { ...deps.env, XDG_CONFIG_HOME: unset } });
      assert.ok(existsSync(here('/.config/nerdctl/nerdctl.toml')), unset);
      await runSetup({ ...options, undo: true }, deps);
    }
  });

  it('a user’s daemon whose file names no root has the user’s own', async () => {
    await put('/daemon.toml', '[resolver]\naddress = "127.0.0.1:9999"\n');
    const options = { targets: ['hosts'], print: false, dryRun: false, undo: false } as const;
    const deps = { env: { HOME: rootDir }, uid: 1000, write: () => {}, loadToken: loadAccessToken };
    await runSetup({ ...options, config: here('/daemon.toml') }, deps);
    const token = await readFile(here('/.local/share/nix-snapshotter/resolver-token'), 'utf8');
    const hosts = await readFile(here('/.config/containerd/certs.d/nix_0_/hosts.toml'), 'utf8');
    assert.ok(hosts.includes(`Bearer ${token.trim()}`));
  });

  it('another user than the daemon’s is told so, and may see what would be written', async () => {
    const config = here('/daemon.toml');
    await put('/daemon.toml', `root = "${here('/closed/data')}"\n`);
    await mkdir(here('/closed'), { mode: 0o000 });
    await chmod(rootDir, 0o755);
    const runs = [{}, { dryRun: true }, { undo: true }, { print: true }];
    const script = `
      const { runSetup } = await import(${JSON.stringify(new URL('../../../src/setup/run.ts', import.meta.url))});
      if (process.getuid() === 0) process.setuid(65534);
      for (const more of ${JSON.stringify(runs)}) {
        const options = { targets: ['nerdctl'], print: false, dryRun: false, undo: false, config: ${JSON.stringify(config)}, ...more };
        let said = '';
        const deps = { env: { HOME: ${JSON.stringify(rootDir)} }, uid: 65534, write: (text) => (said += text), loadToken: undefined };
        const error = await runSetup(options, deps).catch((thrown) => thrown);
        console.log(JSON.stringify({ said, code: error?.code, message: error?.message }));
      }`;
    const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script]);
    await chmod(here('/closed'), 0o700);
    const results = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, string>);
    assert.equal(results.length, runs.length);
    const printed = results.pop();
    for (const { code, message } of results) {
      assert.equal(code, 'PermissionDenied', message);
      assert.match(
        message ?? '',
        /^root .*\/closed\/data of the daemon .*; run setup as that user, give --config/,
      );
    }
    assert.match(printed?.['said'] ?? '', /nerdctl\.toml, mode 0644\n/, printed?.['message'] ?? '');
  });

  it('another containerd than this node’s has to be named', async () => {
    await assert.rejects(setup(['containerd'], { containerdVersion: undefined }), {
      code: 'InvalidArgument',
      message: /give --containerd-version/,
    });
  });
});
