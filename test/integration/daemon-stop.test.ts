import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { CLOSURE_ANNOTATION } from '../../src/closure/annotations.ts';
import { LAYER_MARKER } from '../../src/closure/recover.ts';
import { createRpcClient } from '../../src/rpc/client.ts';
import { snapshots } from '../../src/rpc/proto.ts';
import { SNAPSHOT_REF_LABEL } from '../../src/snapshot/labels.ts';
import { type BinaryCache, binaryCache } from '../fixtures/binary-cache.ts';
import { configureNix } from '../fixtures/nix-config.ts';
import { buildPackages, closureInfo, closureOf, deletePaths } from '../fixtures/packages.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { unitLimits } from '../sandbox/unit-limits.ts';
import { DaemonRig, refused } from './bad-input/daemon-rig.ts';
import { eventually } from './support/rig.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));
/** Longer than any test waits for it. */
const FOR_EVER = 600_000;

/** A daemon, and the labels of a layer whose closure only a cache has, which answers when it is told to. */
async function slowCache(): Promise<{
  readonly rig: DaemonRig;
  readonly cache: BinaryCache;
  readonly labels: Record<string, string>;
}> {
  let cache: BinaryCache | undefined;
  let info = '';
  const rig = await DaemonRig.up({}, async (node) => {
    const { greeter } = await buildPackages(node, ['greeter']);
    info = await closureInfo(node, [greeter]);
    cache = await binaryCache(node, [info]);
    await configureNix(node, { substituters: [cache] });
    await deletePaths(node, await closureOf(node, [info]));
  });
  assert.ok(cache);
  return { rig, cache, labels: { [CLOSURE_ANNOTATION]: info, [SNAPSHOT_REF_LABEL]: 'ref' } };
}

/** A socket that leads to the daemon until it is cut. */
async function cuttableLine(
  rig: DaemonRig,
): Promise<AsyncDisposable & { readonly path: string; readonly cut: () => void }> {
  const path = rig.node.hostPath('/tmp/line.sock');
  const ends = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(rig.node.hostPath(rig.daemon.socket));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(from);
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(path);
  await once(server, 'listening');
  const cut = () => {
    for (const end of ends) end.destroy();
  };
  return {
    path,
    cut,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

/** Resolves when a realise runs and `waiters` calls wait for it. */
async function realising(rig: DaemonRig, waiters: bigint): Promise<void> {
  await eventually(async () => {
    const { realises } = await rig.status();
    assert.deepEqual(
      realises.map((realise) => [realise.state, realise.waiters]),
      [['RUNNING', waiters]],
    );
  });
}

/** Processes of Nix on the node. */
async function nixProcesses({ node }: DaemonRig): Promise<string> {
  const script = 'for p in /proc/[0-9]*; do case $(readlink $p/exe) in */nix) echo $p ;; esac; done';
  return (await node.sh(script)).stdout;
}

describe('a call that waits for Nix', { skip }, () => {
  for (const how of ['gives up', 'vanishes'] as const) {
    it(`whose client ${how} leaves nothing; the work goes on and the retry joins it`, async () => {
      const { rig, cache, labels } = await slowCache();
      await using _ = rig;
      await cache.setFaults([{ match: '/nar/', delay: 1500 }]);
      await using line = await cuttableLine(rig);
      using client = createRpcClient({ address: line.path });
      const give = new AbortController();
      const call = client.service(snapshots).Prepare({ key: 'k', labels }, { signal: give.signal });
      const ended = refused(call, how === 'gives up' ? 'Cancelled' : 'Unavailable');
      await realising(rig, 1n);
      if (how === 'gives up') give.abort();
      else line.cut();
      await ended;
      await realising(rig, 0n);
      assert.deepEqual(await rig.keys(), []);
      assert.deepEqual(rig.names('snapshots'), []);
      await rig.snapshots.Prepare({ key: 'k', labels });
      const downloads = (await cache.requests()).filter(({ path }) => path.startsWith('/nar/'));
      assert.equal(new Set(downloads.map(({ path }) => path)).size, downloads.length, 'downloaded once');
      assert.equal(rig.names('gcroots').length, 1);
      await rig.snapshots.Remove({ key: 'k' });
      await rig.snapshots.Cleanup({});
      await rig.assertEmpty();
    });
  }

  it('is given its time when the daemon is told to stop', async () => {
    const { rig, cache, labels } = await slowCache();
    await using _ = rig;
    await cache.setFaults([{ match: '/nar/', delay: 1000 }]);
    const call = rig.snapshots.Prepare({ key: 'k', labels });
    await realising(rig, 1n);
    const ending = rig.daemon.stop();
    await call;
    assert.deepEqual(await ending, { code: 0, signal: null });
    assert.equal(existsSync(rig.node.hostPath(rig.daemon.socket)), false);
    await rig.daemon.start();
    assert.deepEqual(await rig.keys(), ['k']);
    assert.equal(rig.names('gcroots').length, 1);
  });

  it('that never ends is given up in the time that the unit gives a stop, and Nix with it', async () => {
    const { stopSeconds } = await unitLimits();
    const { rig, cache, labels } = await slowCache();
    await using _ = rig;
    await cache.setFaults([{ match: '/nar/', delay: FOR_EVER }]);
    const call = refused(rig.snapshots.Prepare({ key: 'k', labels }), 'Unavailable');
    await realising(rig, 1n);
    assert.notEqual(await nixProcesses(rig), '');
    const before = performance.now();
    assert.deepEqual(await rig.daemon.process.stop(stopSeconds * 1000), { code: 0, signal: null });
    assert.ok(performance.now() - before < stopSeconds * 1000);
    await call;
    assert.equal(await nixProcesses(rig), '');
    await rig.daemon.start();
    await rig.assertEmpty();
  });

  it('is given up at the second signal, and leaves nothing at the next start', async () => {
    const { rig, cache, labels } = await slowCache();
    await using _ = rig;
    await cache.setFaults([{ match: '/nar/', delay: FOR_EVER }]);
    const call = refused(rig.snapshots.Prepare({ key: 'k', labels }), 'Unavailable');
    await realising(rig, 1n);
    await rig.daemon.process.signal('SIGTERM');
    await eventually(async () => assert.match(await rig.daemon.logs(), /stopping: calls that run/));
    await rig.daemon.process.signal('SIGTERM');
    assert.deepEqual(await rig.daemon.process.ended, { code: 1, signal: null });
    await call;
    await rig.daemon.start();
    await rig.assertEmpty();
  });
});

describe('a stop', { skip }, () => {
  it('does not wait for connections that are idle or never say anything', async () => {
    await using rig = await DaemonRig.up();
    const silent = Array.from({ length: 50 }, () => connect(rig.node.hostPath(rig.daemon.socket)));
    await Promise.all(silent.map((connection) => once(connection, 'connect')));
    silent[0]?.write('PRI * HTT');
    await rig.keys();
    const closed = Promise.all(silent.map((connection) => once(connection.resume(), 'close')));
    assert.deepEqual(await rig.daemon.stop(), { code: 0, signal: null });
    await closed;
  });

  it('does not wait for views that the start mounts again, nor does a clean-up', async () => {
    const { stopSeconds } = await unitLimits();
    const { rig, cache, labels } = await slowCache();
    await using _ = rig;
    const { node, daemon } = rig;
    const info = labels[CLOSURE_ANNOTATION] ?? '';
    await rig.snapshots.Prepare({ key: 'k', labels });
    const layer = `${daemon.root}/snapshots/${rig.names('snapshots')[0]}/fs`;
    await node.sh(`mkdir -p ${layer}/nix/store && echo ${info} > ${layer}/${LAYER_MARKER}`);
    await rig.snapshots.Commit({ name: 'layer', key: 'k', labels });
    const view = `${daemon.root}/views/*/view`;
    await eventually(async () => await node.sh(`test -d ${view}/root`));
    await daemon.stop();
    await node.sh(`umount ${view} && rm ${daemon.root}/gcroots/*`);
    await deletePaths(node, await closureOf(node, [info]));
    await cache.setFaults([{ match: '/nar/', delay: FOR_EVER }]);
    await daemon.start();
    await realising(rig, 1n);
    await rig.snapshots.Cleanup({});
    const before = performance.now();
    assert.deepEqual(await daemon.process.stop(stopSeconds * 1000), { code: 0, signal: null });
    assert.ok(performance.now() - before < stopSeconds * 1000);
    await cache.setFaults([]);
    await daemon.start();
    await eventually(async () => await node.sh(`test -d ${view}/root`));
  });

  it('removes its socket, but not one that took its place', async () => {
    await using rig = await DaemonRig.up();
    const socket = rig.node.hostPath(rig.daemon.socket);
    rmSync(socket);
    assert.deepEqual(await rig.daemon.stop(), { code: 0, signal: null });
    await rig.daemon.start();
    renameSync(socket, `${socket}.away`);
    await rig.node.writeFile(rig.daemon.socket, 'something else');
    assert.deepEqual(await rig.daemon.stop(), { code: 0, signal: null });
    assert.equal(await rig.node.readFile(rig.daemon.socket), 'something else');
  });

  it('by SIGKILL leaves a socket that the next daemon takes over', async () => {
    await using rig = await DaemonRig.up();
    await rig.daemon.kill9();
    assert.equal(existsSync(rig.node.hostPath(rig.daemon.socket)), true);
    await rig.daemon.start();
    assert.deepEqual(await rig.keys(), []);
    assert.deepEqual(await rig.daemon.stop(), { code: 0, signal: null });
  });
});
