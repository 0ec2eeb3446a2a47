import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { type Log, silentLog } from '../../../src/log.ts';
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
import { QUESTIONS } from './questions.ts';
import { QUEUE } from './queue.ts';

/**
 * `node scenarios.ts NAME [BACKEND]`: one scenario on a real Nix store. They empty the store, so they run on a node of the test bed
 * only; {@link scenariosFor} lists them for the runner.
 */
const MISSING = '/nix/store/00000000000000000000000000000000-missing' as StorePath;
const R1 = `${ROOTS}/1`;
const R2 = `${ROOTS}/2`;

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  ...FAILURES,
  ...QUEUE,
  ...QUESTIONS,

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
