import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { GatedCache } from './gated-cache.ts';
import {
  CACHE,
  collectGarbage,
  openStore,
  openStoreAs,
  paths,
  publicKey,
  ROOTS,
  run,
  SIGNED_CACHE,
  wrapNix,
} from './node.ts';

const MISSING = '/nix/store/00000000000000000000000000000000-missing' as StorePath;
const UNREACHABLE = 'http://127.0.0.1:1';
const R1 = `${ROOTS}/1`;

/** Realises that fail, on a real Nix store; see scenarios.ts. */
export const FAILURES: Readonly<Record<string, () => Promise<void>>> = {
  'names an absent path, and finds it as soon as it is pushed': async () => {
    const { c } = paths();
    const late = `${ROOTS}-late`;
    rmSync(late, { recursive: true, force: true });
    mkdirSync(late);
    cpSync(`${CACHE}/nix-cache-info`, `${late}/nix-cache-info`);
    await using cache = await GatedCache.serve(late);
    const store = openStore([cache.url]);
    await assert.rejects(store.realise([c], R1), {
      code: 'FailedPrecondition',
      message: new RegExp(`^${c} cannot be fetched: no cache has it \\(${cache.url}: HTTP 404\\)`),
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
      message: new RegExp(`^${MISSING} \\(of 3 paths\\) cannot be fetched: no cache has it`),
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
      message: /Nix has no cache to ask/,
    });
    const faults: readonly [match: string, status: number, code: string, message: RegExp][] = [
      ['.narinfo', 401, 'PermissionDenied', /asks for a login \(HTTP 401\).*netrc-file/],
      ['.narinfo', 403, 'FailedPrecondition', /HTTP 403/],
      ['.narinfo', 500, 'Unavailable', /HTTP error 500/],
      ['/nar/', 503, 'Unavailable', /HTTP error 503/],
      ['/nar/', 404, 'DataLoss', /is missing, damaged or cut short/],
    ];
    for (const [match, status, code, message] of faults) {
      cache.fault = (path) => (path.includes(match) ? status : undefined);
      await assert.rejects(store.realise([c], R1), { code, message });
    }
    assert.deepEqual(readdirSync(ROOTS), []);
  },

  'uses a login in the address of a cache, and shows it to nobody': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    cache.login = 'user:secret';
    const address = cache.url.replace('://', '://user:secret@');
    const held = cache.hold();
    const realised = openStore([address]).realise([c], R1);
    await Promise.race([held, realised]);
    const commands = readdirSync('/proc')
      .filter((name) => /^[0-9]+$/.test(name) && existsSync(`/proc/${name}/cmdline`))
      .map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    assert.ok(commands.some((command) => command.includes('nix')));
    assert.deepEqual(
      commands.filter((command) => command.includes('secret')),
      [],
    );
    cache.release();
    await realised;
    await assert.rejects(openStore([address]).realise([MISSING], `${ROOTS}/2`), ({ message }: Error) => {
      assert.doesNotMatch(message, /secret/);
      return message.includes(cache.url);
    });
  },

  'refuses a path that no trusted key signed': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(SIGNED_CACHE);
    await assert.rejects(openStore([cache.url], { 'require-sigs': 'true' }).realise([c], R1), {
      code: 'PermissionDenied',
      message: new RegExp(
        `^${c} cannot be fetched: in the cache ${cache.url} its signature \\(test-1\\) is by no key`,
      ),
    });
    const trusting = openStore([cache.url], {
      'require-sigs': 'true',
      'trusted-public-keys': publicKey(),
    });
    await trusting.realise([c], R1);
  },

  'gives up when a collection takes it each time': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const program = wrapNix(`nix-store --delete --ignore-liveness ${c}`);
    await assert.rejects(openStore([cache.url], {}, program).realise([c], R1), {
      code: 'Unavailable',
      message: /a garbage collection took it 5 times/,
    });
    assert.equal(existsSync(R1), false);
  },

  'says that the disk is full': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const root = `${ROOTS}-tiny`;
    mkdirSync(root, { recursive: true });
    await run('mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', root);
    try {
      const store = openStoreAs({
        store: `local?root=${root}`,
        substituters: [cache.url],
        settings: { 'require-sigs': 'false' },
      });
      await assert.rejects(store.realise([c], R1), {
        code: 'ResourceExhausted',
        message: /disk of the Nix store is full/,
      });
    } finally {
      await run('umount', root);
    }
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

  'says when Nix is not installed': async () => {
    const store = openStoreAs({ program: '/nowhere/nix-store' });
    assert.equal(await store.realStoreDir(), '/nix/store');
    await assert.rejects(store.realise([MISSING], R1), {
      code: 'FailedPrecondition',
      message: /^\/nowhere\/nix-(?:store|daemon): .*install Nix/,
    });
  },
};
