import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { type StorePath, storePathName } from '../../../src/closure/store-path.ts';
import { type Log, silentLog } from '../../../src/log.ts';
import { bytesOf } from '../../../src/nix/measure.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import type { RealiseProgress } from '../../../src/nix/store.ts';
import { readEntries } from '../../../src/view/entries.ts';
import { FAILURES } from './failures.ts';
import { GatedCache } from './gated-cache.ts';
import {
  archiveOf,
  type Backend,
  BACKENDS,
  CACHE,
  closeStores,
  collectGarbage,
  emptyStore,
  openStore,
  openStoreAs,
  openUntrusted,
  paths,
  ROOTS,
  run,
  setUp,
  useBackend,
  workers,
  wrapNix,
} from './node.ts';

/**
 * `node scenarios.ts NAME [BACKEND]`: one scenario on a real Nix store. They empty the store, so they run on a node of the test bed
 * only; {@link scenariosFor} lists them for the runner.
 */
const MISSING = '/nix/store/00000000000000000000000000000000-missing' as StorePath;
const R1 = `${ROOTS}/1`;
const R2 = `${ROOTS}/2`;

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  ...FAILURES,
  'substitutes a closure, roots it before it returns, and reports progress': async () => {
    const { a, b, c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const seen: RealiseProgress[] = [];
    await store.realise([c], R1, { onProgress: (progress) => seen.push(progress) });
    assert.equal(cache.fetches, 3);
    assert.equal(seen.at(-1)?.pathsTotal, 3);
    assert.ok((seen.at(-1)?.bytesTotal ?? 0) > 300_000);
    assert.deepEqual(seen.at(-1)?.substituters, [cache.url]);
    await collectGarbage();
    assert.deepEqual(await store.closure([c]), [a, b, c].toSorted());
    assert.deepEqual(await store.valid([a, c, MISSING]), new Set([a, c]));
    await store.removeRoot(R1);
    await store.removeRoot(R1);
    await collectGarbage();
    assert.deepEqual(await store.valid([a, b, c]), new Set());
  },

  'says what a closure takes before anything is fetched': async () => {
    const { a, b, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const before = await store.measure([c]);
    assert.deepEqual([...before.absent.keys()].toSorted(), [a, b, c].toSorted());
    assert.deepEqual([before.present.size, cache.fetches], [0, 0]);
    assert.ok(bytesOf(before) > 290_000, String(bytesOf(before)));
    assert.equal((await store.measure([c], { local: true })).absent.size, 0);
    const unknown = await store.measure([lone, MISSING]);
    assert.deepEqual([[...unknown.absent.keys()], unknown.complete], [[lone], false]);
    await store.realise([a], R1);
    const some = await store.measure([a, c]);
    assert.ok(some.present.has(a) && !some.absent.has(a) && some.absent.has(c));
    await store.realise([c], R2);
    const after = await store.measure([c]);
    assert.deepEqual([...after.present.keys()].toSorted(), [a, b, c].toSorted());
    assert.deepEqual([after.absent.size, after.complete], [0, true]);
    // What nix-store prints of sizes is rounded.
    assert.ok(Math.abs(bytesOf(after) - bytesOf(before)) < 11_000);
    await cache[Symbol.asyncDispose]();
    assert.equal((await openStore(['http://127.0.0.1:9']).measure([lone])).complete, false);
  },

  'protects 1,000 paths by one root': async () => {
    const { small } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise(small, R1);
    assert.deepEqual(readdirSync(ROOTS), ['1']);
    await collectGarbage();
    assert.equal((await store.valid(small)).size, 1000);
    const { entries, missing } = await readEntries(small, await store.realStoreDir());
    assert.deepEqual([entries.length, missing.length], [1000, 0]);
    await store.removeRoot(R1);
    await collectGarbage();
    assert.equal((await store.valid(small)).size, 0);
  },

  'joins callers of one closure, each with its root': async () => {
    const { a, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 2, long: 0, maxWaiting: 100, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const waits = cache.hold();
    const both = [queue.queue.realise([c, lone], R1), queue.queue.realise([lone, c], R2)];
    await waits;
    cache.release();
    await Promise.all(both);
    assert.equal(cache.fetches, 4);
    await store.removeRoot(R1);
    await collectGarbage();
    assert.equal((await store.valid([a, c, lone])).size, 3);
  },

  'goes on after a deadline; GC takes nothing before the retry has its root': async () => {
    const { a, b, c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 2, long: 0, maxWaiting: 100, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const waits = cache.hold();
    const leaving = new AbortController();
    const gone = queue.queue.realise([c], R1, { signal: leaving.signal });
    await waits;
    leaving.abort();
    await assert.rejects(gone, { code: 'Cancelled' });
    await assert.rejects(queue.queue.realise([c], R2, { deadlineMs: 1 }), {
      code: 'DeadlineExceeded',
      message: new RegExp(`${c} is not here yet: .*pull again, the download goes on`),
    });
    cache.release();
    while (queue.queue.inFlight().length > 0) await collectGarbage();
    await collectGarbage();
    await queue.queue.realise([c], R2);
    assert.equal(existsSync(R1), false);
    await collectGarbage();
    assert.equal((await store.valid([a, b, c])).size, 3);
    assert.equal(cache.fetches, 3);
  },

  'fetches once what two closures share that are realised at once': async () => {
    const { b, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const waits = cache.hold();
    const both = [store.realise([c], R1), store.realise([b, lone], R2)];
    await waits;
    cache.release();
    await Promise.all(both);
    assert.equal(cache.fetches, 4);
  },

  'waits for what two closures share, not for all that the first one fetches': async () => {
    const { b, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const waits = cache.hold();
    const first = store.realise([c, lone], R1);
    await waits;
    const second = store.realise([b], R2);
    // It has asked what is missing before anything comes.
    await setTimeout(1000);
    const archive = archiveOf(lone);
    void cache.hold((path) => path === archive);
    await second;
    assert.equal(existsSync(R1), false);
    cache.release();
    await first;
    assert.equal(cache.fetches, 4);
  },

  'fetches a small closure while large ones have all the turns that they may have': async () => {
    const { c, large } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 1, long: 1, maxWaiting: 100, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const archives = new Set(large.map(archiveOf));
    const waits = cache.hold((path) => archives.has(path));
    const all = large.map((path, at) => queue.queue.realise([path], `${ROOTS}/large-${at}`));
    await waits;
    await queue.queue.realise([c], R1);
    assert.deepEqual(
      queue.queue.inFlight().map(({ state }) => state),
      ['running', 'queued', 'queued'],
    );
    cache.release();
    await Promise.all(all);
    assert.equal((await store.valid([c, ...large])).size, 4);
  },

  'says that Nix was killed, and goes on with the next try': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const waits = cache.hold();
    const killed = assert.rejects(store.realise([c], R1), { message: /was closed|signal SIGKILL/ });
    await waits;
    for (const pid of await workers(cache.url)) process.kill(pid, 'SIGKILL');
    await killed;
    assert.deepEqual(readdirSync(ROOTS), []);
    cache.release();
    await store.realise([c], R1);
    await collectGarbage();
    assert.equal((await store.valid([c])).size, 1);
  },

  'stops Nix when it is closed, and leaves no root': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const queue = new RealiseQueue(
      { concurrency: 2, long: 0, maxWaiting: 100, graceMs: 0 },
      { store, log: silentLog },
    );
    const waits = cache.hold();
    const stopped = assert.rejects(queue.realise([c], R1), { code: 'Unavailable' });
    await waits;
    const before = (await workers(cache.url)).length;
    assert.ok(before > 0);
    await queue.close();
    await stopped;
    while ((await workers(cache.url)).length >= before) await setTimeout(10);
    assert.deepEqual(readdirSync(ROOTS), []);
  },

  'realises again what a collection takes while it is being rooted': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const taken = `${ROOTS}/taken`;
    const program = wrapNix(
      `[ -e ${taken} ] || { touch ${taken}; nix-store --delete --ignore-liveness ${c}; }`,
    );
    const store = openStore([cache.url], {}, program);
    await store.realise([c], R1);
    assert.deepEqual([existsSync(taken), existsSync(c)], [true, true]);
    await collectGarbage();
    assert.ok(existsSync(c));
  },

  'uses a store at another root': async () => {
    const { a, b, c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const root = `${ROOTS}-other`;
    await run('rm', '-rf', root);
    const store = openStoreAs({
      store: `local?root=${root}`,
      substituters: [cache.url],
      settings: { 'require-sigs': 'false' },
    });
    assert.equal(await store.realStoreDir(), `${root}/nix/store`);
    await store.realise([c], R1);
    await store.realise([a, b], R2);
    assert.ok(existsSync(`${root}${c}`) && !existsSync(c));
    await store.removeRoot(R1);
    await run('nix-store', '--gc', '--quiet', '--option', 'store', `local?root=${root}`);
    assert.deepEqual([existsSync(`${root}${b}`), existsSync(`${root}${c}`)], [true, false]);
    assert.equal(await openStore([]).realStoreDir(), '/nix/store');
  },

  'keeps a root that was there before a failure': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise([c], R1);
    await assert.rejects(store.realise([MISSING], R1), { code: 'FailedPrecondition' });
    assert.ok(lstatSync(R1).isSymbolicLink());
  },

  'tells what the paths of a closure refer to': async () => {
    const { a, b, c, small, all } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise([c, all], R1);
    assert.deepEqual(
      await store.referenceGraph([c, a, b]),
      new Map([
        [c, [b]],
        [a, []],
        [b, [a]],
      ]),
    );
    const graph = await store.referenceGraph([all, ...small]);
    assert.deepEqual([graph.size, graph.get(all)?.length], [1001, 1000]);
    assert.deepEqual(await store.referenceGraph([]), new Map());
    await assert.rejects(store.referenceGraph([a, MISSING]), /00000-missing.*is not valid/);
  },

  'reads the closure of a path that lists one': async () => {
    const { all } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise([all], R1);
    const reader = new ClosureReader({ realStoreDir: () => store.realStoreDir() });
    await assert.rejects(reader.pathsOf({ kind: 'closure-info', path: all }), {
      code: 'FailedPrecondition',
      message: new RegExp(`${storePathName(all)}/store-paths`),
    });
    assert.equal((await store.closure([all])).length, 1001);
  },
};

/** These are about a daemon that several users share. */
const ABOUT_SOCKETS: Readonly<Record<string, () => Promise<void>>> = {
  'says that its settings have no effect where the daemon does not trust it': async () => {
    const { c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const warnings: unknown[] = [];
    const log = { ...silentLog, warn: (...words: unknown[]) => void warnings.push(words) } as Log;
    const store = await openUntrusted([cache.url], log);
    for (const path of [c, lone]) {
      await assert.rejects(store.realise([path], R1), {
        code: 'FailedPrecondition',
        message: /ignoring untrusted substituter|you are not a trusted user/,
      });
    }
    assert.equal(warnings.length, 1);
    assert.match(JSON.stringify(warnings), /trusted-users/);
    assert.equal(cache.requests.length, 0);
  },
};

/** What a backend cannot show. */
const LEFT_OUT: Readonly<Record<Backend, readonly string[]>> = {
  // Two processes of Nix that need one path at the same time both fetch it.
  'nix-store': [
    'fetches once what two closures share that are realised at once',
    'waits for what two closures share, not for all that the first one fetches',
  ],
  stdio: [],
  // These replace the programs of Nix, which a daemon on a socket does without.
  socket: [
    'gives up when a collection takes it each time',
    'realises again what a collection takes while it is being rooted',
    'says when Nix is not installed',
  ],
};

/** The names of the scenarios for a backend. */
export function scenariosFor(backend: Backend): readonly string[] {
  const names = Object.keys(SCENARIOS).filter((name) => !LEFT_OUT[backend].includes(name));
  return backend === 'socket' ? [...names, ...Object.keys(ABOUT_SOCKETS)] : names;
}

class Closing implements AsyncDisposable {
  readonly queue: RealiseQueue;

  constructor(queue: RealiseQueue) {
    this.queue = queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
  }
}

const [name, backend = 'nix-store'] = process.argv.slice(2);
if (import.meta.main && name === 'set-up') {
  await setUp();
} else if (import.meta.main) {
  const scenario = { ...SCENARIOS, ...ABOUT_SOCKETS }[name ?? ''];
  assert.ok(scenario, `no scenario ${name}`);
  assert.ok(BACKENDS.includes(backend as Backend), `no backend ${backend}`);
  await emptyStore();
  await useBackend(backend as Backend);
  try {
    await scenario();
  } finally {
    await closeStores();
  }
}
