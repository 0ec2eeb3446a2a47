import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { busyboxArchive, pauseArchive } from '../fixtures/images.ts';
import { buildPackages } from '../fixtures/packages.ts';
import { matrix } from '../integration/support/matrix.ts';
import { startRegistry } from '../integration/support/registry.ts';
import { ServiceManager } from '../integration/support/service-manager.ts';
import { SetupNode } from '../integration/support/setup.ts';
import { Cluster } from '../sandbox/kubernetes/cluster.ts';
import { inside, projectRoot } from '../sandbox/layout.ts';
import { pod, redis } from './kubernetes/objects.ts';

const IMAGE = { newName: '127.0.0.1:5000/nix-snapshotter', newTag: 'test' };
const MANIFESTS = '/srv/kubernetes';
const [row] = await matrix(['2.3'], ['etcd', 'kubernetes']);

describe('the DaemonSet on a node without Node', { skip: row?.skip ?? false }, () => {
  let scratch: string;
  let machine: SetupNode;
  let cluster: Cluster;
  let systemd: ServiceManager;
  let path: string;
  let configuration: string;

  before(async () => {
    assert.ok(row);
    scratch = await mkdtemp(join(tmpdir(), 'daemon-set-'));
    machine = await SetupNode.up(row);
    const { node, containerd, env } = machine;
    const base = node.hostPath(await busyboxArchive(node));
    ({ redis: path } = await buildPackages(node, ['redis']));
    const build = [
      'modules/oci-image/build.ts',
      '--base',
      base,
      '--ref',
      `${IMAGE.newName}:${IMAGE.newTag}`,
      '--out',
      scratch,
    ];
    await execa(process.execPath, build, { cwd: projectRoot });
    const [archive] = await readdir(scratch);
    await node.copyIn(join(scratch, archive ?? ''), '/tmp/image.tar');
    await startRegistry(node);
    await node.exec(['node', `${inside.project}/dist/nix2container.mjs`, 'push', '/tmp/image.tar']);
    const flags = ['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'overlayfs'];
    await containerd.ctr([...flags, await pauseArchive(node)]);
    await node.copyIn(join(projectRoot, 'modules/kubernetes'), MANIFESTS);
    await node.sh(
      'umount /usr/local/bin/node /opt/nix-snapshotter; rm -r /usr/local/bin/node /opt/nix-snapshotter',
    );
    // The containerd that runs is the one in PATH, as on any node.
    await node.sh(`ln -s ${containerd.binDir}/containerd ${containerd.binDir}/ctr /usr/local/bin/`);
    configuration = await configured();
    cluster = await Cluster.up(node, containerd);
    systemd = new ServiceManager({ node, containerd, environment: env });
    await systemd.start();
  });
  after(async () => {
    await systemd.stop();
    await machine.node.down();
    await rm(scratch, { recursive: true });
  });

  /** Configuration files and their SHA-256; what kubectl remembers is none. */
  async function configured(): Promise<string> {
    const lines = (await machine.files()).split('\n');
    return lines.filter((line) => !line.includes('/root/.kube/')).join('\n');
  }
  /** A kustomization of an overlay of ours with the image of this test, as users make one. */
  async function apply(overlay: string): Promise<void> {
    const kustomization = {
      resources: [`../${overlay}`],
      images: [{ name: 'nix-snapshotter', ...IMAGE }],
    };
    await machine.node.writeFile(`${MANIFESTS}/own/kustomization.yaml`, JSON.stringify(kustomization));
    await cluster.kubectl(['apply', '-k', `${MANIFESTS}/own`]);
    await rolledOut();
  }
  async function rolledOut(): Promise<void> {
    const own = ['-n', 'nix-snapshotter'];
    const wait = ['rollout', 'status', 'daemonset/nix-snapshotter', ...own, '--timeout=110s'];
    const { exitCode, stderr } = await cluster.kubectl(wait, { reject: false });
    if (exitCode === 0) return;
    const pods = await cluster.kubectl(['describe', 'pods', ...own]);
    const logs = await cluster.kubectl(['logs', 'daemonset/nix-snapshotter', ...own], { reject: false });
    assert.fail(`${stderr}\n${pods.stdout}\n${logs.stdout}${logs.stderr}`);
  }

  async function restarted(): Promise<void> {
    await cluster.kubectl(['rollout', 'restart', 'daemonset/nix-snapshotter', '-n', 'nix-snapshotter']);
    await rolledOut();
  }

  it('installs the daemon on the node, and pods run store paths', async () => {
    await apply('base');
    assert.deepEqual(
      (await systemd.calls()).filter((call) => call.startsWith('restart')),
      ['nix-snapshotter', 'containerd'].map((name) => `restart ${name}.service`),
    );
    await cluster.apply(pod('redis', { containers: [redis(path)] }));
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/redis', '--timeout=90s']);
    assert.equal((await cluster.kubectl(['exec', 'redis', '--', 'redis-cli', 'PING'])).stdout, 'PONG');
  });

  it('a pod that is there again finds all as it shall be, and restarts nothing', async () => {
    await restarted();
    assert.deepEqual(await systemd.calls(), []);
    assert.equal((await cluster.kubectl(['exec', 'redis', '--', 'redis-cli', 'PING'])).stdout, 'PONG');
  });

  it('another version replaces the one that is there; containerd is not restarted', async () => {
    await machine.node.sh(
      `cd /opt/nix-snapshotter; mv "$(readlink current)" older; ln -sfn older current; echo older > started`,
    );
    await restarted();
    assert.deepEqual(
      (await systemd.calls()).filter((call) => call.startsWith('restart')),
      ['restart nix-snapshotter.service'],
    );
    const { stdout } = await machine.node.sh('cd /opt/nix-snapshotter; ls; readlink current');
    assert.match(stdout, /^(\d\S+)\ncurrent\nstarted\n\1$/);
    assert.equal((await cluster.kubectl(['exec', 'redis', '--', 'redis-cli', 'PING'])).stdout, 'PONG');
  });

  /** Runs the script on the node as run.sh does, with what `tar` would have sent it. */
  async function onNode(action: string, input: Uint8Array = new Uint8Array()) {
    const script = await readFile(join(projectRoot, 'modules/kubernetes/on-node.sh'), 'utf8');
    const command = ['/bin/sh', '-euc', script, 'nix-snapshotter', action, 'cut', 'containerd'];
    return await machine.node.exec(command, { input, reject: false });
  }

  it('installs no programs that have not come whole', async () => {
    await mkdir(join(scratch, 'tree/bin'), { recursive: true });
    const { stdout } = await execa('tar', ['-C', scratch, '-cf', '-', 'tree'], { encoding: 'buffer' });
    const { exitCode, stderr } = await onNode('install', stdout);
    assert.equal(exitCode, 1);
    assert.match(stderr, /the programs have not come whole/);
    assert.doesNotMatch((await machine.node.sh('ls /opt/nix-snapshotter')).stdout, /cut/);
  });

  it('takes it away again', async () => {
    await cluster.kubectl(['delete', 'pod', 'redis']);
    await apply('uninstall');
    assert.equal(await configured(), configuration);
    assert.equal(
      (await machine.node.sh('ls -A /opt /etc/systemd/system')).stdout.includes('nix-snapshotter'),
      false,
    );
    await cluster.kubectl(['delete', '-k', `${MANIFESTS}/own`]);
  });

  it('what a removal that was killed has left is removed by the next', async () => {
    await machine.node.exec(['mkdir', '-p', '/opt/nix-snapshotter/older']);
    assert.equal((await onNode('uninstall')).exitCode, 0);
    assert.equal((await machine.node.exec(['ls', '/opt'])).stdout.includes('nix-snapshotter'), false);
  });
});
