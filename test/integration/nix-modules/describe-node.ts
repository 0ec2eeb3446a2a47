import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse, stringify, type TomlTable } from 'smol-toml';
import { pauseArchive } from '../../fixtures/images.ts';
import { buildPackages } from '../../fixtures/packages.ts';
import { nixInside } from '../../nix/nix.ts';
import { containerdConfig } from '../../sandbox/containerd-config.ts';
import { inside } from '../../sandbox/layout.ts';
import { startSnapshotter } from '../../sandbox/snapshotter.ts';
import { GREETING } from '../support/greeter.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { runPod } from '../support/pod.ts';
import { MAIN, ROOT, SetupNode } from '../support/setup.ts';
import { printed } from '../support/printed.ts';

const PLATFORM = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';

/** What NixOS gives of a node: test/nix/node.nix. */
interface NixosNode {
  readonly failed: readonly string[];
  readonly containerd: TomlTable;
  readonly daemon: TomlTable;
  readonly setup: { readonly ExecStart: string; readonly ExecStop: string };
}

/** The files that NixOS makes of a node, on a node. */
export function describeNode(row: AvailableRow): void {
  describe(`a node with the files that NixOS makes, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: SetupNode;
    let made: NixosNode;
    let untouched: string;

    before(async () => {
      rig = await SetupNode.up(row);
      const { node, containerd } = rig;
      await node.writeFile('/tmp/settings.json', JSON.stringify(ownSettings()));
      const nix = await nixInside(node);
      const args = `{ settings = /tmp/settings.json; containerdVersion = "${containerd.version}"; }`;
      made = (await nix.evaluate(`import ${nix.project}/test/nix/node.nix ${args}`)) as NixosNode;
      assert.deepEqual(made.failed, []);
      await node.writeFile(MAIN, stringify(made.containerd));
      untouched = await rig.files();
      await startSnapshotter(node, { config: stringify(made.daemon), root: ROOT });
      const archive = await pauseArchive(node);
      await containerd.restart();
      await containerd.ctr(['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'nix', archive]);
    });
    after(async () => await rig.node.down());

    /** Runs what a unit says, with our bundle as the program and a file in the store as the configuration. */
    const run = async (command: string): Promise<string> => {
      await rig.node.writeFile('/tmp/config.toml', stringify(made.daemon));
      const file = await rig.run(['nix-store', '--add', '/tmp/config.toml']);
      const program = ['node', `${inside.project}/dist/nix-snapshotter.mjs`];
      const args = command.split(' ').slice(1);
      return await rig.run([...program, ...args.map((arg) => (arg.endsWith('-config.toml') ? file : arg))]);
    };

    it('the unit of setup brings the token to where clients look, and nothing else', async () => {
      assert.match(await run(made.setup.ExecStart), /created .*nix_0_\/hosts\.toml/);
      assert.match(await run(made.setup.ExecStart), /nothing to change/);
    });

    it('pods and nerdctl run store paths', async () => {
      const { busybox, greeter } = await buildPackages(rig.node, ['busybox', 'greeter']);
      await rig.containerd.crictl(['pull', `nix:0${busybox}`]);
      await using pod = await runPod(rig, `nix:0${busybox}`);
      assert.equal(await pod.exec(['echo', 'ready']), 'ready');
      const flags = ['--snapshotter', 'nix', 'run', '--rm', '--net', 'none', '--quiet'];
      const greet = [...flags, `nix:0${greeter}`];
      assert.equal(await printed(async () => await rig.containerd.nerdctl(greet)), GREETING);
    });

    it('its stop takes everything back', async () => {
      await run(made.setup.ExecStop);
      const files = (text: string) =>
        text.split('\n').filter((line) => !line.includes('/etc/nix-snapshotter/'));
      assert.deepEqual(files(await rig.files()), files(untouched));
    });
  });
}

/** What the user of a test bed's node says in `virtualisation.containerd.settings`; the snapshotter is not among it. */
function ownSettings(): TomlTable {
  const settings = parse(containerdConfig({ formatVersion: 2, platform: PLATFORM, cri: true }));
  const plugins = settings['plugins'] as Record<string, TomlTable>;
  delete plugins['io.containerd.transfer.v1.local'];
  const { registry, containerd, ...cri } = plugins['io.containerd.grpc.v1.cri'] ?? {};
  assert.ok(registry !== undefined);
  const { snapshotter, ...runtimes } = containerd as TomlTable;
  assert.equal(snapshotter, 'overlayfs');
  plugins['io.containerd.grpc.v1.cri'] = { ...cri, containerd: runtimes };
  return settings;
}
