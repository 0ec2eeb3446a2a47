import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HOSTS_DIR } from '../../integration/support/resolver-hosts.ts';
import { pod, redis } from './objects.ts';
import { waiting } from './pulls.ts';
import type { World } from './world.ts';

/** Name of a store path that nobody has. */
const ABSENT = `${'0'.repeat(32)}-absent`;

/** A kubelet whose `imageServiceEndpoint` is our daemon. */
export function imageService(world: () => World): void {
  it('the kubelet pulls store paths from our CRI image service, with no hosts.toml', async (t) => {
    const { rig, cluster, redis: path } = world();
    const aside = '/tmp/certs.d';
    await rig.node.exec(['mv', HOSTS_DIR, aside]);
    try {
      await cluster.configureKubelet({ imageService: rig.snapshotter.socket });
      await cluster.apply(
        pod('proxied', { containers: [redis(path)] }),
        pod('absent', { containers: [{ name: 'main', image: `nix:0/${ABSENT}` }] }),
      );
      await world().ready('pod', 'proxied');
      assert.equal(await world().exec('proxied', ['redis-cli', 'PING']), 'PONG');
      assert.match((await world().events('proxied', 'Pulled')).join('\n'), /^Successfully pulled image/);
      const failed = await world().until('absent', (seen) => waiting(seen)?.reason === 'ErrImagePull');
      const message = waiting(failed)?.message ?? '';
      for (const part of [ABSENT, rig.cache.url, 'HTTP 404', 'push the path']) {
        assert.ok(message.includes(part), `${part} is not in ${message}`);
      }
      t.diagnostic(message);
    } finally {
      await rig.node.exec(['mv', aside, HOSTS_DIR]);
      await cluster.configureKubelet({});
    }
  });
}
