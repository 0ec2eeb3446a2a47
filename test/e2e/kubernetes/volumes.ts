import assert from 'node:assert/strict';
import { it } from 'node:test';
import { closureOf } from '../../fixtures/packages.ts';
import { idle, pod } from './objects.ts';
import type { World } from './world.ts';

/** Image volumes, which containerd has since 2.1. */
export function volumes(world: () => World): void {
  it('an image volume of a store path shows its closure or a part of it, read-only', async () => {
    const { rig, cluster, greeter } = world();
    const image = await world().ordinary();
    const volume = { name: 'greeter', image: { reference: `nix:0${greeter}` } };
    const part = { name: 'greeter', mountPath: '/part', subPath: `${greeter.slice(1)}/share` };
    const mounts = { volumeMounts: [{ name: 'greeter', mountPath: '/volume' }, part] };
    await cluster.apply(
      pod('volume', {
        volumes: [volume],
        containers: [idle('main', image, { imagePullPolicy: 'Never', ...mounts })],
      }),
    );
    await world().ready('pod', 'volume');
    const message = await world().exec('volume', ['cat', `/volume${greeter}/share/greeter/message`]);
    assert.equal(message, 'Hello from the Nix store');
    assert.equal(await world().exec('volume', ['cat', '/part/greeter/message']), message);
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
}
