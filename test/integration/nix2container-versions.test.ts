import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { busyboxArchive } from '../fixtures/images.ts';
import { buildPackages } from '../fixtures/packages.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { type Component, skipWithout } from '../sandbox/components.ts';
import { type ContainerdVersion, SNAPSHOTTER_SOCKET, startContainerd } from '../sandbox/containerd.ts';
import type { Suite } from '../sandbox/debian-base.ts';
import { inside } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { startSnapshotter } from '../sandbox/snapshotter.ts';

/** The containerds beside Debian trixie's that `load` is tried on. */
const OTHER_CONTAINERDS: readonly {
  readonly suite: Suite;
  readonly version: ContainerdVersion;
  readonly needs: readonly Component[];
}[] = [
  { suite: 'sid', version: 'debian', needs: ['debian-sid', 'nerdctl'] },
  { suite: 'trixie', version: '2.3', needs: ['containerd-2.3', 'nerdctl'] },
  { suite: 'trixie', version: '2.4', needs: ['containerd-2.4', 'nerdctl'] },
];

const unavailable = sandboxUnavailable();

describe('nix2container load on other containerds', { skip: unavailable ?? false }, () => {
  for (const { suite, version, needs } of unavailable === undefined ? OTHER_CONTAINERDS : []) {
    it(`${version} on ${suite}: a loaded image runs by nerdctl as it is`, async (t) => {
      for (const component of needs) {
        const skip = await skipWithout(component);
        if (skip !== false) return t.skip(skip);
      }
      await using node = await Sandbox.up({ suite, name: 'n2c' });
      const { greeter } = await buildPackages(node, ['greeter']);
      const snapshotter = await startSnapshotter(node);
      const containerd = await startContainerd(node, { version, snapshotterSocket: SNAPSHOTTER_SOCKET });
      t.diagnostic(`containerd ${containerd.version}`);
      const program = ['node', `${inside.project}/dist/nix2container.mjs`];
      const base = await busyboxArchive(node);
      const flags = [
        '--from-image',
        base,
        '--entrypoint',
        `${greeter}/bin/greet`,
        '--user',
        'alice',
        '--ref',
        'greeter:1',
      ];
      await node.exec([...program, 'build', ...flags, greeter, '/tmp/greeter.tar']);
      await node.exec([...program, 'load', '/tmp/greeter.tar']);
      // containerd does not find a daemon at once that was away.
      await snapshotter.stop();
      await containerd.ctr(['snapshot', '--snapshotter', 'nix', 'ls'], { reject: false });
      const again = node.exec([...program, 'load', '/tmp/greeter.tar']);
      await snapshotter.start();
      await again;
      const check = await containerd.ctr(['image', 'check', '--snapshotter', 'nix']);
      assert.match(check.stdout, /greeter:1 .* true/);
      // Committed ones only: nerdctl leaves a view of its own to containerd's collector.
      const committed = async () => {
        const { stdout } = await containerd.ctr(['snapshot', '--snapshotter', 'nix', 'ls']);
        return stdout.split('\n').filter((line) => line.includes('Committed'));
      };
      const unpacked = await committed();
      const run = [
        '--snapshotter',
        'nix',
        'run',
        '-d',
        '--net',
        'none',
        '--name',
        'greet',
        'greeter:1',
        'nerdctl',
      ];
      await containerd.nerdctl(run);
      assert.equal((await containerd.nerdctl(['wait', 'greet'])).stdout, '0');
      const logs = await containerd.nerdctl(['logs', 'greet']);
      assert.equal(logs.stdout, 'Hello from the Nix store, nerdctl!');
      await containerd.nerdctl(['--snapshotter', 'nix', 'rm', 'greet']);
      assert.deepEqual(await committed(), unpacked);
    });
  }
});
