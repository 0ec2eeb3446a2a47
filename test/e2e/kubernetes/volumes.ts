import assert from 'node:assert/strict';
import { it } from 'node:test';
import { closureOf } from '../../fixtures/packages.ts';
import type { AvailableRow } from '../../integration/support/matrix.ts';
import { idle, pod, redis } from './objects.ts';
import type { World } from './world.ts';

/** Image volumes, which containerd has since 2.1. */
export function volumes(row: AvailableRow, world: () => World): void {
  it('an image volume of a store path shows its closure, read-only', async () => {
    const { rig, cluster, greeter } = world();
    const image = await world().ordinary();
    const volume = { name: 'greeter', image: { reference: `nix:0${greeter}` } };
    const mounts = { volumeMounts: [{ name: 'greeter', mountPath: '/volume' }] };
    await cluster.apply(
      pod('volume', {
        volumes: [volume],
        containers: [idle('main', image, { imagePullPolicy: 'Never', ...mounts })],
      }),
    );
    await world().ready('pod', 'volume');
    const message = await world().exec('volume', ['cat', `/volume${greeter}/share/greeter/message`]);
    assert.equal(message, 'Hello from the Nix store');
    const shown = (await world().exec('volume', ['ls', '/volume/nix/store'])).split('\n');
    const closure = await closureOf(rig.node, [greeter]);
    assert.deepEqual(
      shown.map((name) => `/nix/store/${name}`),
      closure,
    );
    const write = ['exec', 'volume', '--', 'touch', `/volume${greeter}/new`];
    const { exitCode, stderr } = await cluster.kubectl(write, { reject: false });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /Read-only file system/);
  });

  // containerd 2.1 shows all of the image there.
  if (row.release === '2.1') return;
  it('an image volume with subPath shows a part of a store path', async () => {
    const { cluster, redis: path } = world();
    const image = `nix:0${path}`;
    const part = { name: 'tools', mountPath: '/tools', subPath: `${path.slice(1)}/bin` };
    await cluster.apply(
      pod('part', {
        volumes: [{ name: 'tools', image: { reference: image } }],
        containers: [redis(path, { volumeMounts: [part] })],
      }),
    );
    await world().ready('pod', 'part');
    assert.equal(await world().exec('part', ['/tools/redis-cli', 'PING']), 'PONG');
  });
}
