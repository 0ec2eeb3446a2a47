import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { closureOf } from '../fixtures/packages.ts';
import { enginesBase } from '../sandbox/engines.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure, ownImage } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { Podman } from './support/podman.ts';
import { RESOLVER, RESOLVER_CONFIG } from './support/resolver-hosts.ts';
import { Rig } from './support/rig.ts';

const ABSENT = `${'0'.repeat(32)}-absent`;
const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`;

const [row] = await matrix(['1.7'], ['engines']);

describe('podman, by ordinary layers', { skip: row?.skip ?? false }, () => {
  let rig: Rig;
  let podman: Podman;
  let made: GreeterClosure;
  let greeter = '';

  before(async () => {
    assert.ok(row);
    rig = await Rig.up({ row, base: await enginesBase(), config: RESOLVER_CONFIG });
    podman = await Podman.setUp(rig);
    made = await greeterClosure(rig);
    greeter = made.greeter.slice('/nix/store/'.length);
  });
  afterEach(async () => await podman.removeAll());
  after(async () => await rig.down());

  it('runs a path that a cache has, whatever spelling', async () => {
    await forget(rig, made);
    for (const image of [
      `nix-layers.local/${greeter}`,
      `nix-layers.local/nix/store/${greeter}:v1`,
      `nix:0/nix/store/${greeter}`,
      `nix-layers.local/${greeter.slice(0, 32)}:${greeter.slice(33)}`,
      `${RESOLVER}/layers/${greeter}`,
    ]) {
      assert.equal(await podman.runImage(image), GREETING, image);
    }
    assert.equal(
      await podman.runImage(`nix-layers.local/${greeter}`, ['you']),
      'Hello from the Nix store, you!',
    );
  });

  it('gives the same image each time, remembered or not, and takes a digest', async () => {
    const image = `nix-layers.local/${greeter}`;
    await podman.run(['pull', '--quiet', image]);
    const first = await podman.digestOf(image);
    await podman.removeAll();
    await rig.node.exec(['rm', '-r', `${rig.snapshotter.root}/layer-digests`]);
    await rig.restartSnapshotter();
    await podman.run(['pull', '--quiet', image]);
    assert.match(first, /^sha256:/);
    assert.equal(await podman.digestOf(image), first);
    await podman.removeAll();
    assert.equal(await podman.runImage(`${image}@${first}`), GREETING);
  });

  it('shows each path as the store has it', async () => {
    const image = `nix-layers.local${made.busybox}`;
    await podman.run(['pull', '--quiet', `nix-layers.local/${greeter}`]);
    await podman.run(['pull', '--quiet', image]);
    for (const [name, top] of [
      [`nix-layers.local/${greeter}`, made.greeter],
      [image, made.busybox],
    ] as const) {
      const { stdout: root } = await podman.run(['image', 'mount', name]);
      const closure = await closureOf(rig.node, [top]);
      const listed = await rig.node.exec(['ls', `${root}/nix/store`]);
      assert.deepEqual(
        listed.stdout.split('\n'),
        closure.map((path) => path.slice('/nix/store/'.length)),
      );
      for (const path of closure) {
        const found = (at: string) => `cd ${at} && find . -printf '%P %y %m %T@ %U:%G %s %l\\n' | sort`;
        const [inImage, inStore] = await Promise.all(
          [`${root}${path}`, path].map(async (at) => (await rig.node.sh(found(at))).stdout),
        );
        const withoutDirectorySizes = (text = '') => text.replaceAll(/^(\S* d .*) \d+ $/gm, '$1');
        assert.equal(withoutDirectorySizes(inImage), withoutDirectorySizes(inStore));
        await rig.node.exec(['diff', '-r', '--no-dereference', `${root}${path}`, path]);
      }
      await podman.run(['image', 'umount', name]);
    }
  });

  it('runs an image that lies in the store, with the ordinary layers that it has', async () => {
    await rig.node.exec(['nix-store', '--realise', made.closureInfo]);
    for (const format of ['oci-archive', 'docker-archive', 'oci-layout']) {
      await rig.node.exec(['rm', '-rf', '/tmp/images/own.tar']);
      const written = await ownImage(rig, made, 'localhost/own:1', ['--format', format]);
      const image = `nix-layers.local${(await rig.node.exec(['nix-store', '--add', written])).stdout}`;
      assert.equal(await podman.runImage(image), GREETING, format);
      // Its ordinary layer: links at the root to the store.
      assert.equal(await podman.runImage(image, [], ['--entrypoint', '/bin/greet']), GREETING, format);
    }
  });

  it('runs an image description', async () => {
    const description = {
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Entrypoint: [`${made.greeter}/bin/greet`] },
      'nix-store-paths': [made.greeter],
    };
    await rig.node.writeFile('/tmp/described.json', JSON.stringify(description));
    const path = (await rig.node.exec(['nix-store', '--add', '/tmp/described.json'])).stdout;
    assert.equal(await podman.runImage(`nix-layers.local${path}`), GREETING);
  });

  it('says why a path cannot be had, a digest is another, or the token is missing', async () => {
    const refused = async (image: string) => {
      const { exitCode, stderr } = await podman.run(['pull', image], false);
      assert.notEqual(exitCode, 0);
      return stderr;
    };
    const absent = await refused(`nix-layers.local/${ABSENT}`);
    for (const part of [ABSENT, 'HTTP 404', 'push the path']) assert.ok(absent.includes(part), absent);
    assert.match(await refused(`nix-layers.local/${greeter}@${OTHER_DIGEST}`), /is not part of this image/);
    assert.match(await refused('nix-layers.local/library/busybox'), /names no store path/);
    await podman.run(['logout', RESOLVER]);
    assert.match(
      await refused(`nix-layers.local/${greeter}:unknown`),
      /the token of the resolver is missing/,
    );
    await podman.login();
  });
});
