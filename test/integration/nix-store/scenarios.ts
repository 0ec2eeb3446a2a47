import assert from 'node:assert/strict';
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { type StorePath, storePathName } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import { NixStoreCli } from '../../../src/nix/nix-store.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import type { RealiseProgress } from '../../../src/nix/store.ts';
import { readEntries } from '../../../src/view/entries.ts';
import { GatedCache } from './gated-cache.ts';
import {
  CACHE,
  collectGarbage,
  emptyStore,
  openStore,
  paths,
  processesNaming,
  publicKey,
  ROOTS,
  run,
  setUp,
  SIGNED_CACHE,
} from './node.ts';

/**
 * `node scenarios.ts NAME`: one scenario on a real Nix store. They empty the store, so they run on a node of the test bed
 * only; {@link SCENARIOS} lists them for the runner.
 */
const MISSING = '/nix/store/00000000000000000000000000000000-missing' as StorePath;
const UNREACHABLE = 'http://127.0.0.1:1';
const R1 = `${ROOTS}/1`;
const R2 = `${ROOTS}/2`;

export const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
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

  'joins callers of one closure, each with its root': async () => {
    const { a, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 2, graceMs: 1e6 }, { store, log: silentLog }),
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
      new RealiseQueue({ concurrency: 2, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const waits = cache.hold();
    const leaving = new AbortController();
    const gone = queue.queue.realise([c], R1, { signal: leaving.signal });
    await waits;
    leaving.abort();
    await assert.rejects(gone, { code: 'Cancelled' });
    await assert.rejects(queue.queue.realise([c], R2, { deadlineMs: 1 }), {
      code: 'DeadlineExceeded',
      message: new RegExp(`realise ${c}: not finished .*a retry joins it`),
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

  'stops Nix when it is closed, and leaves no root': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const queue = new RealiseQueue({ concurrency: 2, graceMs: 0 }, { store, log: silentLog });
    const waits = cache.hold();
    const stopped = assert.rejects(queue.realise([c], R1), { code: 'Unavailable' });
    await waits;
    assert.equal((await processesNaming(R1)).length, 1);
    await queue.close();
    await stopped;
    assert.deepEqual(await processesNaming(R1), []);
    assert.deepEqual(readdirSync(ROOTS), []);
  },

  'names an absent path, and finds it as soon as it is pushed': async () => {
    const { c } = paths();
    const late = `${ROOTS}-late`;
    mkdirSync(late, { recursive: true });
    cpSync(`${CACHE}/nix-cache-info`, `${late}/nix-cache-info`);
    await using cache = await GatedCache.serve(late);
    const store = openStore([cache.url]);
    await assert.rejects(store.realise([c], R1), {
      code: 'FailedPrecondition',
      message: new RegExp(`^realise ${c}: no substituter has it; substituters: ${cache.url}: HTTP 404`),
    });
    assert.deepEqual(readdirSync(ROOTS), []);
    cpSync(CACHE, late, { recursive: true });
    await store.realise([c], R1);
  },

  'names the one absent path of many': async () => {
    const { c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await assert.rejects(store.realise([c, MISSING, lone], R1), {
      code: 'FailedPrecondition',
      message: new RegExp(`^realise ${MISSING} \\(of 3 paths\\): no substituter has it`),
    });
    assert.deepEqual(readdirSync(ROOTS), []);
  },

  'tells the kinds of failure apart': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await assert.rejects(openStore([UNREACHABLE]).realise([c], R1), {
      code: 'Unavailable',
      message: /127\.0\.0\.1:1: /,
    });
    await assert.rejects(openStore([UNREACHABLE, cache.url]).realise([MISSING], R1), {
      code: 'Unavailable',
      message: /HTTP 404.*127\.0\.0\.1:1: |127\.0\.0\.1:1: .*HTTP 404/,
    });
    await assert.rejects(openStore([]).realise([c], R1), {
      code: 'FailedPrecondition',
      message: /no substituter was asked/,
    });
    const faults: readonly [match: string, status: number, code: string, message: RegExp][] = [
      ['.narinfo', 401, 'PermissionDenied', /HTTP 401.*netrc-file/],
      ['.narinfo', 403, 'FailedPrecondition', /HTTP 403/],
      ['.narinfo', 500, 'Unavailable', /HTTP error 500/],
      ['/nar/', 503, 'Unavailable', /HTTP error 503/],
      ['/nar/', 404, 'Unavailable', /description but not the archive/],
    ];
    for (const [match, status, code, message] of faults) {
      cache.fault = (path) => (path.includes(match) ? status : undefined);
      await assert.rejects(store.realise([c], R1), { code, message });
    }
    assert.deepEqual(readdirSync(ROOTS), []);
  },

  'refuses a path that no trusted key signed': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(SIGNED_CACHE);
    await assert.rejects(openStore([cache.url], { 'require-sigs': 'true' }).realise([c], R1), {
      code: 'PermissionDenied',
      message: new RegExp(
        `^realise ${c}: its signature is refused; substituters: ${cache.url}: has it, signed by no`,
      ),
    });
    const trusting = openStore([cache.url], {
      'require-sigs': 'true',
      'trusted-public-keys': publicKey(),
    });
    await trusting.realise([c], R1);
  },

  'says that the disk is full': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const root = `${ROOTS}-tiny`;
    mkdirSync(root, { recursive: true });
    await run('mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', root);
    try {
      const store = new NixStoreCli(
        { store: `local?root=${root}`, substituters: [cache.url], settings: { 'require-sigs': 'false' } },
        { log: silentLog, env: process.env },
      );
      await assert.rejects(store.realise([c], R1), {
        code: 'ResourceExhausted',
        message: /disk of the Nix store is full/,
      });
    } finally {
      await run('umount', root);
    }
  },

  'uses a store at another root': async () => {
    const { a, b, c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const root = `${ROOTS}-other`;
    const store = new NixStoreCli(
      { store: `local?root=${root}`, substituters: [cache.url], settings: { 'require-sigs': 'false' } },
      { log: silentLog, env: process.env },
    );
    assert.equal(await store.realStoreDir(), `${root}/nix/store`);
    await store.realise([c], R1);
    await store.realise([a, b], R2);
    assert.ok(existsSync(`${root}${c}`) && !existsSync(c));
    await store.removeRoot(R1);
    await run('nix-store', '--gc', '--quiet', '--option', 'store', `local?root=${root}`);
    assert.deepEqual([existsSync(`${root}${b}`), existsSync(`${root}${c}`)], [true, false]);
    assert.equal(await openStore([]).realStoreDir(), '/nix/store');
  },

  'never builds a derivation': async () => {
    const { derivation, lone, withDerivation } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await assert.rejects(store.realise([derivation], R1), {
      code: 'InvalidArgument',
      message: /never built/,
    });
    await assert.rejects(store.realise([lone, derivation], R1), {
      code: 'InvalidArgument',
      message: /never built/,
    });
    assert.deepEqual(readdirSync(ROOTS), []);
    await store.realise([withDerivation, derivation], R1);
    await collectGarbage();
    assert.equal((await store.valid([derivation])).size, 1);
    assert.equal(existsSync(paths().a), false);
  },

  'keeps a root that was there before a failure': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise([c], R1);
    await assert.rejects(store.realise([MISSING], R1), { code: 'FailedPrecondition' });
    assert.ok(lstatSync(R1).isSymbolicLink());
  },

  'says when Nix is not installed': async () => {
    const store = new NixStoreCli({ program: '/nowhere/nix-store' }, { log: silentLog, env: process.env });
    assert.equal(await store.realStoreDir(), '/nix/store');
    await assert.rejects(store.realise([MISSING], R1), {
      code: 'FailedPrecondition',
      message: /^\/nowhere\/nix-store: .*install Nix/,
    });
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

class Closing implements AsyncDisposable {
  readonly queue: RealiseQueue;

  constructor(queue: RealiseQueue) {
    this.queue = queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
  }
}

const [name] = process.argv.slice(2);
if (import.meta.main && name === 'set-up') {
  await setUp();
} else if (import.meta.main) {
  const scenario = SCENARIOS[name ?? ''];
  assert.ok(scenario, `no scenario ${name}`);
  await emptyStore();
  await scenario();
}
