import { existsSync } from 'node:fs';
import { SNAPSHOTTER_SOCKET, startContainerd } from '../../sandbox/containerd.ts';
import { ensureTool } from '../../sandbox/go-tools.ts';
import { inside } from '../../sandbox/layout.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import { startSnapshotter } from '../../sandbox/snapshotter.ts';
import type { Row } from '../support/matrix.ts';
import { startRegistry } from '../support/registry.ts';
import { CHOSEN, pauseStandIn, pushStandIns } from './images.ts';
import { type JunitResult, readJunit } from './junit.ts';

export interface CritestOptions {
  readonly row: Pick<Row, 'suite' | 'version'>;
  /** CRI's snapshotter. */
  readonly snapshotter: 'nix' | 'overlayfs';
  /** ginkgo's: tests whose name matches one of them. All unless told. */
  readonly focus?: readonly string[];
}

/** Not of a runtime on this test bed: measurements, kernels with AppArmor or SELinux, CRIU, an image whose digest is fixed. */
const SKIPPED = 'benchmark|AppArmor|apparmor|SELinux|selinux|checkpoint|image with digest|MaskedPaths';
const HOSTS = ['registry.k8s.io', 'k8s.gcr.io', 'gcr.io'];
const REPORT = '/tmp/critest.xml';
const IMAGES_FILE = '/etc/critest-images.yaml';
/** The pod network of the test bed, with ports of the node. */
const NETWORK = {
  cniVersion: '1.0.0',
  name: 'critest',
  plugins: [
    {
      type: 'bridge',
      bridge: 'critest0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.78.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

/** Runs critest on a node of its own, with images of a registry on its loopback, to the end. */
export async function runCritest({ row, snapshotter, focus = [] }: CritestOptions): Promise<JunitResult> {
  await using node = await Sandbox.up({ suite: row.suite, name: `critest-${snapshotter}` });
  // Tests of mount propagation make their directories there.
  await node.sh(`mount --make-shared /tmp`);
  const isOurs = snapshotter === 'nix';
  if (isOurs) await startSnapshotter(node);
  const containerd = await startContainerd(node, {
    version: row.version,
    cri: true,
    ...(isOurs ? { snapshotterSocket: SNAPSHOTTER_SOCKET } : {}),
  });
  await node.writeFile('/etc/cni/net.d/10-testbed.conflist', JSON.stringify(NETWORK));
  const { address } = await startRegistry(node);
  const hosts = `[host."http://${address}"]\ncapabilities = ["pull", "resolve"]\n`;
  for (const host of HOSTS) await node.writeFile(`/etc/containerd/certs.d/${host}/hosts.toml`, hosts);
  const chosen = { container: `${address}/${CHOSEN.container}`, webServer: `${address}/${CHOSEN.webServer}` };
  await node.writeFile(
    IMAGES_FILE,
    `defaultTestContainerImage: ${chosen.container}\nwebServerTestImage: ${chosen.webServer}\n`,
  );
  await pushStandIns(node, address);
  const flags = ['-n', 'k8s.io', 'image', 'import', '--snapshotter', snapshotter];
  await containerd.ctr([...flags, await pauseStandIn(node)]);

  const endpoint = `unix://${containerd.socket}`;
  const program = `${inside.tools}/${await ensureTool('critest')}/critest`;
  const endpoints = ['--runtime-endpoint', endpoint, '--image-endpoint', endpoint];
  const files = ['--test-images-file', IMAGES_FILE, '--ginkgo.junit-report', REPORT];
  const settings = ['--ginkgo.no-color', '--ginkgo.timeout', '20m', '--ginkgo.skip', SKIPPED];
  const focused = focus.flatMap((name) => ['--ginkgo.focus', name]);
  const { exitCode, stdout, stderr } = await node.exec(
    [program, ...endpoints, ...files, ...settings, ...focused],
    { reject: false, timeout: 20 * 60_000 },
  );
  if (!existsSync(node.hostPath(REPORT))) {
    throw new Error(`critest ended with ${exitCode} and no report: ${`${stdout}${stderr}`.slice(-2000)}`);
  }
  return readJunit(await node.readFile(REPORT));
}
