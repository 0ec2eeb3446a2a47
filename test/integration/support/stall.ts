import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive } from '../../fixtures/images.ts';
import { deletePaths } from '../../fixtures/packages.ts';
import { Cri, IMAGE_SERVICE_CONFIG } from './cri.ts';
import type { AvailableRow } from './matrix.ts';
import { importPause } from './pod.ts';
import { startRegistry } from './registry.ts';
import { RESOLVER_CONFIG, useResolver } from './resolver-hosts.ts';
import { Rig, eventually } from './rig.ts';

const CONFIG = `${RESOLVER_CONFIG}${IMAGE_SERVICE_CONFIG}`;
/** containerd 2.3 and newer give up an answer that does not begin within 30 s. */
const MORE_THAN_A_TURN = 35_000;
/** Containers that are run at least. */
const RUNS = 3;

interface Beside {
  /** Of `ctr run` of an image that is ready, in milliseconds. */
  readonly longest: number;
  /** Whether the collection and all runs were over before the pull was. */
  readonly free: boolean;
  /** Whether one run took most of the time that the cache said nothing. */
  readonly waited: boolean;
}

/**
 * A realise that takes long, a garbage collection of containerd that begins meanwhile, and containers of an image that is ready:
 * which ways to pull make those containers wait for it?
 *
 * @param quiet how long the cache says nothing, in milliseconds; far longer than all else here.
 */
export function describeStalls(row: AvailableRow, quiet: number): void {
  const seconds = quiet / 1000;
  describe(`containers beside a realise of ${seconds} s on containerd ${row.title}`, {
    skip: row.skip,
  }, () => {
    let rig: Rig;
    let registry: string;
    let cri: Cri;

    before(async () => {
      rig = await Rig.up({ row, cri: true, diffPlugin: true, config: CONFIG });
      await useResolver(rig);
      registry = (await startRegistry(rig.node)).address;
      cri = await Cri.of(rig);
      await importPause(rig);
      const imports = ['image', 'import', '--snapshotter', 'nix'];
      await rig.containerd.ctr([...imports, await busyboxArchive(rig.node)]);
    });
    after(async () => {
      cri?.[Symbol.dispose]();
      await rig.down();
    });

    /** As a kubelet without `--image-service-endpoint` pulls. */
    const pullDirectly = async (image: string) => await cri.containerd.PullImage({ image: { image } });

    it('of a store path by CRI: they do not wait', async (t) => {
      const path = await lonelyPath(rig);
      const beside = await runBeside(rig, path, quiet, async () => await cri.pull(`nix:0${path}`));
      t.diagnostic(`nix:0 by CRI: ${figure(beside)}`);
      assert.ok(beside.free, figure(beside));
    });

    it('of an image of a registry by CRI: they do not wait', async (t) => {
      const { path, image } = await lonelyImage(rig, registry);
      const beside = await runBeside(rig, path, quiet, async () => await cri.pull(image));
      t.diagnostic(`an image of a registry by CRI: ${figure(beside)}`);
      assert.ok(beside.free, figure(beside));
    });

    it('of a store path by the resolver, longer than containerd waits for an answer: they do not wait', async (t) => {
      const path = await lonelyPath(rig);
      const long = Math.max(quiet, MORE_THAN_A_TURN);
      const beside = await runBeside(rig, path, long, async () => await pullDirectly(`nix:0${path}`));
      t.diagnostic(`nix:0 by the resolver: ${figure(beside)}`);
      assert.ok(beside.free, figure(beside));
    });

    it('of an image of a registry by containerd alone: they wait for its Prepare', async (t) => {
      const { path, image } = await lonelyImage(rig, registry);
      const beside = await runBeside(rig, path, quiet, async () => await pullDirectly(image));
      t.diagnostic(`an image of a registry by containerd alone: ${figure(beside)}`);
      assert.ok(beside.waited, `docs/cri.md says that this waits: ${figure(beside)}`);
    });

    it('of an image of a registry by containerd alone, with prepare.wait = "apply": they do not wait', async (t) => {
      await rig.configure(`${CONFIG}[prepare]\nwait = "apply"\n`);
      const { path, image } = await lonelyImage(rig, registry);
      const beside = await runBeside(rig, path, quiet, async () => await pullDirectly(image));
      t.diagnostic(`an image of a registry by containerd alone, wait = "apply": ${figure(beside)}`);
      assert.ok(beside.free, figure(beside));
    });
  });
}

/** A store path that the cache has and the store has not; nothing else is fetched with it. */
async function lonelyPath(rig: Rig): Promise<string> {
  const path = await addedPath(rig);
  await rig.cache.add([path]);
  await deletePaths(rig.node, [path]);
  return path;
}

/** The same, and an image in a registry that names it. */
async function lonelyImage(rig: Rig, registry: string): Promise<{ path: string; image: string }> {
  const path = await addedPath(rig);
  const image = `${registry}/lonely-${randomUUID()}:1`;
  const archive = '/tmp/lonely.tar';
  await rig.nix2container(['build', '--ref', image, '--out', archive, '--cmd', 'none', path]);
  await rig.nix2container(['push', archive, image]);
  const referrers = (await rig.node.exec(['nix-store', '--query', '--referrers-closure', path])).stdout;
  await rig.cache.add(referrers.split('\n').filter(Boolean));
  await deletePaths(rig.node, [path]);
  return { path, image };
}

async function addedPath({ node }: Rig): Promise<string> {
  const file = `/tmp/lonely-${randomUUID()}`;
  await node.writeFile(file, `${file}\n`);
  return (await node.exec(['nix-store', '--add', file])).stdout.trim();
}

async function runBeside(
  { node, containerd, cache }: Rig,
  path: string,
  quiet: number,
  pull: () => Promise<unknown>,
): Promise<Beside> {
  const info = `${path.slice('/nix/store/'.length, '/nix/store/'.length + 32)}.narinfo`;
  const nar = /^URL: (.*)$/m.exec(await node.readFile(`${cache.dir}/${info}`))?.[1] ?? '';
  await cache.setFaults([{ match: nar, delay: quiet }]);
  const spare = `docker.io/library/spare:${randomUUID()}`;
  await containerd.ctr(['image', 'tag', BUSYBOX_IMAGE, spare]);
  const state = { pulled: false, collected: false };
  const pulling = pull().finally(() => (state.pulled = true));
  pulling.catch(() => {});
  await eventually(async () => {
    assert.equal(state.pulled, false, 'the pull ended before it asked the cache');
    assert.ok((await cache.requests()).some((request) => request.path === `/${info}`));
  });
  const ctr = async (args: readonly string[]) => await containerd.ctr(args, { timeout: quiet + 60_000 });
  const runs: number[] = [];
  const run = async () => {
    const start = performance.now();
    await ctr(['run', '--rm', '--snapshotter', 'nix', BUSYBOX_IMAGE, `beside-${runs.length}`, 'true']);
    runs.push(performance.now() - start);
  };
  // A collection takes the snapshotter's lock only when a snapshot of its has been removed since the last one.
  await run();
  // Both wait for a collection, which waits for what holds containerd's lock.
  const collected = Promise.all([
    ctr(['image', 'rm', '--sync', spare]),
    ctr(['content', 'prune', 'references']),
  ]).then(() => (state.collected = true));
  collected.catch(() => {});
  while (!state.pulled && (!state.collected || runs.length < RUNS)) await run();
  const free = !state.pulled;
  await collected;
  await pulling;
  await cache.setFaults([]);
  const longest = Math.max(...runs);
  return { longest, free, waited: longest > quiet / 2 };
}

function figure({ longest, free }: Beside): string {
  return `ctr run took ${(longest / 1000).toFixed(2)} s at most, ${free ? 'while the pull went on' : 'until the pull was over'}`;
}
