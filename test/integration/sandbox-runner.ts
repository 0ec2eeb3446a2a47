// Brings up a sandbox with a running container, prints its id and waits to be killed.
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { startContainerd } from '../sandbox/containerd.ts';
import { Sandbox } from '../sandbox/sandbox.ts';

const node = await Sandbox.up({ suite: 'trixie' });
const containerd = await startContainerd(node, { version: 'debian' });
await containerd.ctr(['image', 'import', await busyboxArchive(node)]);
await containerd.ctr(['run', '--detach', BUSYBOX_IMAGE, 'left-behind', 'sleep', '1000']);
console.log(node.id);
setInterval(() => {}, 1000);
