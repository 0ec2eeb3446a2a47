import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { ALL, AUTH, DROP_IN, fileTree, HOSTS, MAIN, OWN_MAIN, ROOT } from './file-tree.ts';

describe('undo of setup', () => {
  const { here, put, setup, filesBelow } = fileTree();

  it('undo without a target takes back all that is written, and speaks of that alone', async () => {
    const before = await filesBelow();
    await setup(['hosts', 'nerdctl', 'podman']);
    assert.doesNotMatch(await setup([], { undo: true }), /LEFT|still needed|Now run/);
    const left = [...(await filesBelow()).keys()].filter((path) => !before.has(path));
    assert.deepEqual(left, [here(`${ROOT}/resolver-token`)]);
    assert.match(await setup([], { undo: true }), /nothing to undo/);
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
});
