import assert from 'node:assert/strict';
import { it } from 'node:test';
import { factsIn } from './sentence.ts';
import type { Mending } from './suite.ts';

/** The daemon that would say what is wrong is what is missing: `status` says it, and the clients what they cannot reach. */
export function snapshotterDown(mending: () => Mending): void {
  it('snapshotter-down', async () => {
    const { world, clients, mend } = mending();
    const { node, snapshotter } = world.rig;
    const path = world.pathOf('snapshotter-down');
    await snapshotter.stop();
    const { exitCode, stderr } = await node.exec(['nix-snapshotter', 'status'], { reject: false });
    assert.equal(exitCode, 1);
    const told = factsIn(stderr, 'snapshotter-down', { socket: snapshotter.socket });
    for await (const { client, text } of clients.refusals(path)) {
      assert.match(text, /dial tcp 127\.0\.0\.1:7373: connect: connection refused/, client);
    }
    await mend('snapshotter-down', { path, ...told });
    assert.match(await clients.run(world.pathOf('login')), /^Hello from /);
  });
}
