import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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
/** How long containers that shall not wait may take, in milliseconds: the cache says nothing all that time. */
const PATIENCE = 90_000;
/** Containers that are run at least. */
const RUNS = 3;

interface Beside {
  /** Of `ctr run` of an image that is ready, in milliseconds. */
  readonly longest: number;
  /** Whether the collection and all runs were over before the cache answered. */
  readonly free: boolean;
}

/**
 * A realise that takes long, a garbage collection of containerd that begins meanwhile, and containers of an image that is ready:
 * which ways to pull make those containers wait for it?
 *
 * The cache says nothing until the containers are through, and at least for some time: so nothing here depends on how fast the
 * machine is.
 *
 * @param quiet how long the cache says nothing at least, in milliseconds.
 */
export function describeStalls(row: AvailableRow, quiet: number): void {
  describe(`containers beside a realise on containerd ${row.title}`, {
    skip: row.skip,
    concurrency: 1,
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

    it('of store paths and of an image of a registry by CRI, and of a store path by the resolver: they do not wait', async (t) => {
      const [byCri, byResolver] = [await lonelyPath(rig), await lonelyPath(rig)];
      const { path, image } = await lonelyImage(rig, registry);
      // Of these releases alone a client of the resolver is told to ask again.
      const long = ['2.3', '2.4'].includes(row.release) ? Math.max(quiet, MORE_THAN_A_TURN) : quiet;
      const beside = await runBeside(rig, { paths: [byCri, byResolver, path], quiet: long }, [
        async () => await cri.pull(`nix:0${byCri}`),
        async () => await pullDirectly(`nix:0${byResolver}`),
        async () => await cri.pull(image),
      ]);
      t.diagnostic(`nix:0 by CRI and by the resolver, an image of a registry by CRI: ${figure(beside)}`);
      assert.ok(beside.free, figure(beside));
    });

    it('of an image of a registry by containerd alone: they wait for its Prepare', async (t) => {
      const { path, image } = await lonelyImage(rig, registry);
      const options = { paths: [path], quiet, patience: quiet };
      const beside = await runBeside(rig, options, [async () => await pullDirectly(image)]);
      t.diagnostic(`an image of a registry by containerd alone: ${figure(beside)}`);
      assert.ok(!beside.free, `docs/cri.md says that this waits: ${figure(beside)}`);
      assert.ok(beside.longest > quiet / 2, `docs/cri.md says that this waits: ${figure(beside)}`);
    });

    it('of an image of a registry by containerd alone, with prepare.wait = "apply": they do not wait', async (t) => {
      await rig.configure(`${CONFIG}[prepare]\nwait = "apply"\n`);
      const { path, image } = await lonelyImage(rig, registry);
      const options = { paths: [path], quiet };
      const beside = await runBeside(rig, options, [async () => await pullDirectly(image)]);
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

interface BesideOptions {
  /** What the pulls fetch; the cache holds the archives back. */
  readonly paths: readonly string[];
  /** How long the cache says nothing at least, in milliseconds. */
  readonly quiet: number;
  /** How long it says nothing at most; {@link PATIENCE} unless told. */
  readonly patience?: number;
}

async function runBeside(
  { node, containerd, cache }: Rig,
  { paths, quiet, patience = PATIENCE }: BesideOptions,
  pulls: readonly (() => Promise<unknown>)[],
): Promise<Beside> {
  const infos = paths.map((path) => `/${path.slice('/nix/store/'.length).split('-', 1)[0]}.narinfo`);
  const nars = infos.map(
    async (info) => /^URL: (.*)$/m.exec(await node.readFile(`${cache.dir}${info}`))?.[1],
  );
  await cache.setFaults((await Promise.all(nars)).map((nar = '') => ({ match: nar, hold: true })));
  const spare = `docker.io/library/spare:${randomUUID()}`;
  await containerd.ctr(['image', 'tag', BUSYBOX_IMAGE, spare]);
  const state = { answers: false, pulled: false };
  const began = performance.now();
  const pulling = Promise.all(pulls.map(async (pull) => await pull().finally(() => (state.pulled = true))));
  pulling.catch(() => {});
  await eventually(async () => {
    assert.equal(state.pulled, false, 'a pull ended before it asked the cache');
    const asked = (await cache.requests()).map((request) => request.path);
    assert.ok(infos.every((info) => asked.includes(info)));
  });
  const ctr = async (args: readonly string[]) => await containerd.ctr(args, { timeout: patience + 60_000 });
  const runs: number[] = [];
  const run = async () => {
    const start = performance.now();
    await ctr(['run', '--rm', '--snapshotter', 'nix', BUSYBOX_IMAGE, `beside-${runs.length}`, 'true']);
    runs.push(performance.now() - start);
  };
  const runAll = async (): Promise<boolean> => {
    // A collection takes the snapshotter's lock only when a snapshot of its has been removed since the last one.
    await run();
    // Both wait for a collection, which waits for what holds containerd's lock.
    const collected = { yet: false };
    const collecting = Promise.all([
      ctr(['image', 'rm', '--sync', spare]),
      ctr(['content', 'prune', 'references']),
    ]).then(() => (collected.yet = true));
    collecting.catch(() => {});
    while (!state.answers && (!collected.yet || runs.length < RUNS)) await run();
    await collecting;
    return !state.answers;
  };
  const running = runAll();
  running.catch(() => {});
  await Promise.race([running, sleep(patience, undefined, { ref: false })]);
  await sleep(Math.max(0, quiet - (performance.now() - began)));
  assert.equal(state.pulled, false, 'a pull ended before the cache answered');
  state.answers = true;
  await cache.setFaults([]);
  const free = await running;
  await pulling;
  return { longest: Math.max(...runs), free };
}

function figure({ longest, free }: Beside): string {
  return `ctr run took ${(longest / 1000).toFixed(2)} s at most, ${free ? 'while the cache said nothing' : 'until the cache answered'}`;
}
