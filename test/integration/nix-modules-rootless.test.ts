import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { buildPackages } from '../fixtures/packages.ts';
import { nixInside } from '../nix/nix.ts';
import { parseVersion } from '../sandbox/containerd.ts';
import { ensureTool } from '../sandbox/go-tools.ts';
import { inside } from '../sandbox/layout.ts';
import { rootlessBase } from '../sandbox/rootless.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { waitFor } from '../sandbox/wait-for.ts';
import { type HomeNode, UserUnits } from './nix-modules/user-units.ts';
import { GREETING } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { printed } from './support/printed.ts';

const [row] = await matrix(['1.7'], ['rootless', 'nerdctl']);

describe('the units that Home Manager makes for a user', { skip: row?.skip ?? false }, () => {
  let node: Sandbox;
  let user: UserUnits;

  before(async () => {
    node = await Sandbox.up({ suite: 'trixie', name: 'home', base: await rootlessBase() });
    const nix = await nixInside(node);
    const release = parseVersion((await node.exec(['containerd', '--version'])).stdout);
    const args = `{ containerdVersion = "${release}"; }`;
    const home = (await nix.evaluate(`import ${nix.project}/test/nix/home-node.nix ${args}`)) as HomeNode;
    assert.deepEqual(home.failed, []);
    user = new UserUnits({ node, home, tools: `${inside.tools}/${await ensureTool('nerdctl')}` });
    await user.install(await busyboxArchive(node));
    const daemon = node.spawn('nix-daemon', ['nix-daemon']);
    await waitFor(
      daemon,
      async () => await succeeds(node.exec(['nix', 'store', 'info', '--store', 'daemon'])),
    );
  });
  after(async () => await node.down());

  const nerdctl = async (...args: readonly string[]) =>
    await user.login(['nerdctl', '--snapshotter', 'nix', ...args]);

  it('start containerd under RootlessKit, and the daemon in its namespaces', async () => {
    await waitFor(user.start('containerd'), async () => await succeeds(nerdctl('info')));
    const status = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'status', '--address'];
    const socket = '/run/user/1000/nix-snapshotter/nix-snapshotter.sock';
    await waitFor(user.start('nix-snapshotter'), async () => await succeeds(user.login([...status, socket])));
  });

  it('load images, and lead clients to the resolver', async () => {
    await user.run('preload-containerd');
    const run = ['run', '--rm', '--quiet', '--net', 'none'];
    const loaded = [...run, BUSYBOX_IMAGE, 'echo', 'loaded'];
    assert.equal(await printed(async () => await nerdctl(...loaded)), 'loaded');
    assert.match(
      await user.run('nix-snapshotter-setup'),
      /created .*\/containerd\/certs\.d\/nix_0_\/hosts\.toml/,
    );
    const { greeter } = await buildPackages(node, ['greeter']);
    assert.equal(await printed(async () => await nerdctl(...run, `nix:0${greeter}`)), GREETING);
    assert.match(await user.run('nix-snapshotter-setup', 'ExecStop'), /removed .*hosts\.toml/);
  });
});

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  );
}
