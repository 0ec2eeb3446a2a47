import { after, afterEach, before, describe } from 'node:test';
import type { AvailableRow } from '../../integration/support/matrix.ts';
import { disk } from './disk.ts';
import { imageService } from './image-service.ts';
import { kubectl } from './kubectl.ts';
import { pulls } from './pulls.ts';
import { restarts } from './restarts.ts';
import { updates } from './updates.ts';
import { userNamespaces } from './user-namespaces.ts';
import { volumes } from './volumes.ts';
import { workloads } from './workloads.ts';
import { World } from './world.ts';

/** What a cluster of one node does with store paths as images, asked one after the other. */
export function kubernetesSuite(row: AvailableRow): void {
  describe(`Kubernetes, on containerd ${row.title}`, { skip: row.skip }, () => {
    let up: World | undefined;
    before(async () => {
      up = await World.up(row);
    });
    afterEach(async () => await up?.cleared());
    after(async () => await up?.down());
    const world = () => {
      if (up === undefined) throw new Error('the cluster is not up');
      return up;
    };
    workloads(world);
    pulls(world);
    updates(world);
    // containerd has them since 2.1.
    if (row.release !== '1.7') volumes(row, world);
    // They need runc 1.2 or newer.
    if (row.suite === 'sid') userNamespaces(world);
    kubectl(world);
    imageService(world);
    disk(world);
    restarts(world);
  });
}
