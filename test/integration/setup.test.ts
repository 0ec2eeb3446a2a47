import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { checkDump } from '../../src/setup/check-dump.ts';
import { listContainers } from '../../src/setup/existing-images.ts';
import { K3S_FILES } from '../../src/setup/k3s.ts';
import { BUSYBOX_IMAGE, busyboxArchive, busyboxEntries, pauseArchive } from '../fixtures/images.ts';
import { ociArchive } from '../fixtures/oci-archive.ts';
import { buildPackages } from '../fixtures/packages.ts';
import { SNAPSHOTTER_SOCKET } from '../sandbox/containerd.ts';
import { inside } from '../sandbox/layout.ts';
import { enginesBase } from '../sandbox/engines.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { type Snapshotter, startSnapshotter } from '../sandbox/snapshotter.ts';
import { GREETING } from './support/greeter.ts';
import { matrix, type Release } from './support/matrix.ts';
import { type Pod, runPod } from './support/pod.ts';
import { startRegistry } from './support/registry.ts';
import { DAEMON_CONFIG, MAIN, ROOT, SetupNode } from './support/setup.ts';
import { printed } from './support/printed.ts';

const TARGETS = ['--containerd', '--nerdctl'];
const K8S = ['-n', 'k8s.io'];
/** An image whose layer containerd does not keep. */
const LEAN = '127.0.0.1:5000/lean:1';
const HOSTS_DIR = '/etc/containerd/certs.d';
const CRI_1 = 'io.containerd.grpc.v1.cri';
const CRI_2 = 'io.containerd.cri.v1.images';
const TRANSFER = 'io.containerd.transfer.v1.local';

for (const row of await matrix(['1.7', '2.3'], ['nerdctl', 'crictl'])) {
  describe(`setup of a node that is in use, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: SetupNode;
    let snapshotter: Snapshotter;
    let greeter: string;
    let busybox: string;
    let pod: Pod;
    let untouched: string;
    let main: string;

    before(async () => {
      rig = await SetupNode.up(row);
      const { node, containerd } = rig;
      // As most nodes have it: with annotations on, CRI of containerd 2.x pulls in another way.
      main = (await node.readFile(MAIN)).replaceAll(/^ *disable_snapshot_annotations = false\n/gm, '');
      await node.writeFile(MAIN, main);
      await containerd.restart();
      for (const archive of [await pauseArchive(node), await busyboxArchive(node)]) {
        await containerd.ctr([...K8S, 'image', 'import', '--snapshotter', 'overlayfs', archive]);
        await containerd.ctr(['image', 'import', '--snapshotter', 'overlayfs', archive]);
      }
      await pullLean(rig);
      ({ greeter, busybox } = await buildPackages(node, ['greeter', 'busybox']));
      pod = await runPod(rig, BUSYBOX_IMAGE);
      untouched = await rig.files();
    });
    after(async () => await rig.node.down());

    const nerdctl = async (...args: readonly string[]) =>
      await printed(
        async () => await rig.containerd.nerdctl(['run', '--rm', '--net', 'none', '--quiet', ...args]),
      );

    it('a dry run and a print change nothing', async () => {
      assert.match(
        (await rig.setup(...TARGETS, '--dry-run')).stdout,
        /would change +\/etc\/containerd\/config\.toml/,
      );
      assert.match(
        (await rig.setup(...TARGETS, '--print')).stdout,
        /# add to \/etc\/containerd\/config\.toml/,
      );
      assert.equal(await rig.files(), untouched);
    });

    it('on a read-only file system the path and the next step are told, and nothing is left', async () => {
      await rig.node.sh(
        'mount --bind /etc/containerd /etc/containerd; mount -o remount,bind,ro /etc/containerd',
      );
      const { exitCode, stderr } = await rig.setup(...TARGETS);
      await rig.node.exec(['umount', '/etc/containerd']);
      assert.equal(exitCode, 1);
      assert.match(
        stderr,
        /^nix-snapshotter: \/etc\/containerd\/certs\.d\/nix_0_\/hosts\.toml: EROFS.*setup --print/,
      );
      assert.equal(await rig.files(), untouched);
    });

    it('writes what containerd needs, says what to restart, and then finds nothing to change', async () => {
      const { stdout, stderr, exitCode } = await rig.setup(...TARGETS);
      assert.equal(exitCode, 0, stderr);
      assert.match(
        stdout,
        /systemctl restart nix-snapshotter\.service\n +systemctl restart containerd\.service$/,
      );
      assert.match((await rig.setup(...TARGETS)).stdout, /nothing to change/);
      const config = await rig.node.readFile(DAEMON_CONFIG);
      snapshotter = await startSnapshotter(rig.node, { config, root: ROOT });
      await rig.containerd.restart();
    });

    it('what ran goes on', async () => {
      assert.equal(await pod.exec(['echo', 'still']), 'still');
    });

    it('crictl, nerdctl and ctr run store paths', async () => {
      await rig.containerd.crictl(['pull', `nix:0${busybox}`]);
      await using ofStore = await runPod(rig, `nix:0${busybox}`);
      assert.equal(await ofStore.exec(['echo', 'ready']), 'ready');
      assert.equal(await nerdctl(`nix:0${greeter}`), GREETING);
      const image = `nix.local${greeter.slice('/nix/store'.length)}:latest`;
      const flags = ['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix'];
      await rig.containerd.ctr(['image', 'pull', ...flags, image]);
    });

    it('images that were there run with the snapshotter, by pods and by nerdctl', async () => {
      await using again = await runPod(rig, BUSYBOX_IMAGE);
      assert.equal(await again.exec(['echo', 'again']), 'again');
      assert.equal(await nerdctl(BUSYBOX_IMAGE, 'echo', 'again'), 'again');
      assert.match(await rig.run(['ctr', ...K8S, 'snapshot', '--snapshotter', 'nix', 'ls']), /Active/);
    });

    it('an image whose layers were not kept is pulled again', async () => {
      await assert.rejects(runPod(rig, LEAN), /not found/);
      await rig.containerd.crictl(['pull', LEAN]);
      await using again = await runPod(rig, LEAN);
      assert.equal(await again.exec(['cat', '/lean']), 'lean');
    });

    it('undo gives every byte back; what runs goes on, and its containers are listed', async () => {
      const ofStore = await runPod(rig, `nix:0${busybox}`);
      const { stdout, exitCode } = await rig.setup(...TARGETS, '--undo');
      assert.equal(exitCode, 0);
      assert.ok(stdout.includes(listContainers('ctr')));
      assert.equal(await rig.files(), untouched);
      const listed = await rig.run(['sh', '-c', listContainers('ctr')]);
      assert.equal(listed.split('\n').length, 2, `a pod and its container: ${listed}`);
      await ofStore[Symbol.asyncDispose]();
      assert.equal(await rig.run(['sh', '-c', listContainers('ctr')]), '');
      await rig.containerd.restart();
      await snapshotter.stop();
      assert.equal(await pod.exec(['echo', 'still']), 'still');
      await using again = await runPod(rig, BUSYBOX_IMAGE);
      assert.equal(await again.exec(['echo', 'again']), 'again');
      await rig.containerd.crictl(['rmi', `nix:0${busybox}`]);
      assert.match((await rig.setup(...TARGETS, '--undo')).stdout, /nothing to undo/);
    });
  });
}

/** Pulls an image from a registry on the node, and removes its layer's blob as `discard_unpacked_layers` does. */
async function pullLean({ node, containerd }: SetupNode): Promise<void> {
  await startRegistry(node);
  const entries = [...(await busyboxEntries(node)), { path: 'lean', content: 'lean' }];
  await node.writeFile('/tmp/images/lean.tar', await ociArchive({ name: LEAN, layers: [{ entries }] }));
  await containerd.ctr([...K8S, 'image', 'import', '--snapshotter', 'overlayfs', '/tmp/images/lean.tar']);
  await containerd.ctr([...K8S, 'image', 'push', '--plain-http', LEAN]);
  await containerd.ctr([...K8S, 'image', 'rm', '--sync', LEAN]);
  await containerd.crictl(['pull', LEAN]);
  const { stdout: content } = await containerd.ctr([...K8S, 'content', 'ls']);
  const layer = /=lean,.*gc\.ref\.content\.l\.0=(?<digest>sha256:[0-9a-f]+)/.exec(content)?.groups?.[
    'digest'
  ];
  assert.ok(layer, content);
  await containerd.ctr([...K8S, 'content', 'rm', layer]);
}

const FROM_2_3: readonly Release[] = ['2.3', '2.4'];
const FROM_2_1: readonly Release[] = ['2.1', '2.2', ...FROM_2_3];
const ALL: readonly Release[] = ['1.7', ...FROM_2_1];

/** Main files that nodes have, with the releases that read them. */
const MAINS: Readonly<
  Record<string, { readonly text: string | undefined; readonly releases: readonly Release[] }>
> = {
  'no file': { text: undefined, releases: ALL },
  'Debian’s': {
    text: `version = 2\n\n[plugins]\n  [plugins."${CRI_1}"]\n    [plugins."${CRI_1}".cni]\n      bin_dir = "/usr/lib/cni"\n      conf_dir = "/etc/cni/net.d"\n`,
    releases: ALL,
  },
  'one of version 2 with settings of CRI and runtimes': {
    text: `version = 2\n[plugins."${CRI_1}"]\nsandbox_image = "p"\nmax_concurrent_downloads = 7\n[plugins."${CRI_1}".containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n[plugins."${CRI_1}".containerd.runtimes.crun.options]\nBinaryName = "/crun"\nSystemdCgroup = true\n[plugins."${TRANSFER}"]\nmax_concurrent_downloads = 9\n`,
    releases: ALL,
  },
  'one of version 3 with settings of CRI': {
    text: `version = 3\n[plugins.'${CRI_2}']\nmax_concurrent_downloads = 7\n[plugins.'${CRI_2}'.registry]\nconfig_path = "/mine"\n`,
    releases: FROM_2_1,
  },
  'one of version 4': { text: 'version = 4\nimports = []\n[grpc]\n', releases: FROM_2_3 },
  'one without a version, with CRI off': {
    text: 'disabled_plugins = ["cri"]\n',
    releases: FROM_2_1,
  },
  'one that imports another': {
    text: 'version = 2\nimports = ["/etc/containerd/own/*.toml"]\n',
    releases: ALL,
  },
};

for (const row of await matrix(ALL)) {
  describe(`setup and main files, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: SetupNode;
    before(async () => {
      rig = await SetupNode.up(row);
      await rig.containerd.stop();
      await rig.node.writeFile(
        '/etc/containerd/own/a.toml',
        `version = 2\n[plugins."${CRI_1}"]\nmax_concurrent_downloads = 8\n`,
      );
    });
    after(async () => await rig.node.down());

    const dump = async (command = 'dump') => parse(await rig.run(['containerd', 'config', command]));
    const write = async (text: string | undefined) => {
      await rig.node.exec(['rm', '-f', MAIN]);
      if (text !== undefined) await rig.node.writeFile(MAIN, text);
    };

    const assertUnderstood = async (text: string | undefined) => {
      await write(text);
      const [files, said] = [await rig.files(), await dump(text === undefined ? 'default' : 'dump')];
      const { exitCode, stderr } = await rig.setup('--containerd');
      assert.equal(exitCode, 0, stderr);
      const now = await dump();
      checkDump(said, now, SNAPSHOTTER_SOCKET);
      assert.throws(() => checkDump(said, said, SNAPSHOTTER_SOCKET), /proxy_plugins\.nix is not there/);
      const proxies = now['proxy_plugins'] as { nix: { exports: { root: string } } };
      assert.equal(proxies.nix.exports.root, ROOT);
      assert.equal((await rig.setup('--containerd', '--undo')).exitCode, 0);
      assert.equal(await rig.files(), files);
    };

    for (const [what, { text, releases }] of Object.entries(MAINS)) {
      if (!releases.includes(row.release)) continue;
      it(`${what}: containerd understands setup's keys beside all others, and undo leaves no trace`, async () => {
        await assertUnderstood(text);
      });
    }

    it('the same with its defaults spelled out', async () => {
      await assertUnderstood(await rig.run(['containerd', 'config', 'default']));
    });

    it('a main file that containerd cannot read is told in its words', async () => {
      await write(row.release === '1.7' ? 'version = 2\nroot = 1\n' : 'version = 3\nroot = 1\n');
      const files = await rig.files();
      const { exitCode, stderr } = await rig.setup('--containerd');
      assert.equal(exitCode, 1);
      assert.match(
        stderr,
        /^nix-snapshotter: containerd cannot read its configuration, \/etc\/containerd\/config\.toml: /,
      );
      assert.equal(await rig.files(), files);
    });

    it('k3s’s templates, rendered, are understood', async () => {
      const base = `version = ${row.release === '1.7' ? 2 : 3}\n[plugins."${row.release === '1.7' ? CRI_1 : CRI_2}"]\nmax_concurrent_downloads = 7\n`;
      const flags = ['--k3s', '--root-dir', '/tmp/k3s'];
      await rig.node.exec(['mkdir', '-p', '/tmp/k3s']);
      assert.equal((await rig.setup(...flags)).exitCode, 0);
      const name = row.release === '1.7' ? 'config.toml.tmpl' : 'config-v3.toml.tmpl';
      const template = await rig.node.readFile(
        `/tmp/k3s${K3S_FILES.template3.replace('config-v3.toml.tmpl', name)}`,
      );
      await rig.node.writeFile('/tmp/k3s.toml', template.replace('{{ template "base" . }}', base));
      const rendered = parse(await rig.run(['containerd', '--config', '/tmp/k3s.toml', 'config', 'dump']));
      const proxies = rendered['proxy_plugins'] as Record<string, { address: string }>;
      assert.equal(proxies['nix-snapshotter']?.address, SNAPSHOTTER_SOCKET);
    });
  });
}

const [engines] = await matrix(['1.7'], ['engines']);

describe('setup of podman', { skip: engines?.skip ?? false }, () => {
  it('runs store paths with no further flag, and undo takes back what it wrote alone', async () => {
    await using node = await Sandbox.up({ suite: 'trixie', base: await enginesBase() });
    const auth = '/root/.config/containers/auth.json';
    const own = '{"auths":{"quay.io":{"auth":"eDp5"}}}';
    await node.writeFile(auth, own, 0o644);
    const setup = async (...args: readonly string[]) => {
      const program = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'setup', '--podman'];
      return await node.exec([...program, ...args], { env: { HOME: '/root' } });
    };
    await setup();
    await startSnapshotter(node, { config: await node.readFile(DAEMON_CONFIG), root: ROOT });
    const { greeter } = await buildPackages(node, ['greeter']);
    const name = greeter.slice('/nix/store/'.length);
    const env = { HOME: '/root', PODMAN_IGNORE_CGROUPSV1_WARNING: '1' };
    for (const image of [`nix-layers.local/${name}`, `nix:0${greeter}`, `127.0.0.1:7373/layers/${name}`]) {
      const run = ['podman', 'run', '--rm', '--quiet', '--network', 'none', image];
      assert.equal((await node.exec(run, { env })).stdout, GREETING, image);
    }
    assert.equal((await node.exec(['stat', '-c', '%a', auth])).stdout, '600');
    await setup('--undo');
    assert.equal(await node.readFile(auth), own);
    assert.equal((await node.exec(['stat', '-c', '%a', auth])).stdout, '644');
  });
});
