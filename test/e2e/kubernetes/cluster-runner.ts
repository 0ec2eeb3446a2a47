// Brings up a cluster with a pod that runs, says so with the sandbox's id, and waits to be killed, or for the end of its stdin.
import { importPause } from '../../integration/support/pod.ts';
import { Rig } from '../../integration/support/rig.ts';
import { busyboxArchive, BUSYBOX_IMAGE } from '../../fixtures/images.ts';
import { Cluster } from '../../sandbox/kubernetes/cluster.ts';
import { idle, pod } from './objects.ts';

const rig = await Rig.up({ row: { suite: 'trixie', version: '2.3' }, cri: true });
await importPause(rig);
const flags = ['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'nix'];
await rig.containerd.ctr([...flags, await busyboxArchive(rig.node)]);
const cluster = await Cluster.up(rig.node, rig.containerd);
await cluster.apply(pod('left', { containers: [idle('main', BUSYBOX_IMAGE, { imagePullPolicy: 'Never' })] }));
await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/left', '--timeout=90s']);
console.log(`up ${rig.node.id}`);
process.stdin.once('end', () => process.exit(1)).resume();
