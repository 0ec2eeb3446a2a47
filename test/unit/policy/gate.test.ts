import assert from 'node:assert/strict';
import { mkdtemp, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { STORE_DIR, type StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { bytesOf, type Measure, type MeasureOptions, type Measures } from '../../../src/nix/measure.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import { PolicyGate } from '../../../src/policy/gate.ts';
import { GatedQueue } from '../../../src/policy/gated-queue.ts';
import { NodeUsage } from '../../../src/policy/node-usage.ts';
import type { PolicyOptions } from '../../../src/policy/options.ts';
import type { PolicyRefusal } from '../../../src/policy/refusal.ts';
import type { Subject } from '../../../src/policy/subject.ts';

const named = (name: string) => `${STORE_DIR}/${'0'.repeat(32)}-${name}` as StorePath;
const APP = named('app');
const OTHER = named('other');
const LIBC = named('libc');

/** A store of three paths: both programs need the library. Each path takes 100 bytes. */
class SmallStore implements Measures {
  readonly present = new Set<StorePath>();
  readonly onCache = new Set([APP, OTHER, LIBC]);
  asked = 0;
  fetches: StorePath[][] = [];
  /** Goes as soon as it is there. */
  vanishes: StorePath | undefined;
  /** Until it ends Nix says nothing of what is there. */
  silent: Promise<void> = Promise.resolve();
  /** Until it ends a realise does not. */
  held: Promise<void> = Promise.resolve();

  async measure(paths: readonly StorePath[], { local = false }: MeasureOptions = {}): Promise<Measure> {
    this.asked += 1;
    if (local) await this.silent;
    const closure = [...new Set(paths.flatMap((path) => [path, LIBC]))];
    const sizes = (found: readonly StorePath[]) => new Map(found.map((path) => [path, 100]));
    const absent = closure.filter((path) => !this.present.has(path));
    const known = absent.filter((path) => this.onCache.has(path) && !local);
    return {
      present: sizes(closure.filter((path) => this.present.has(path))),
      absent: sizes(known),
      complete: known.length === absent.length,
    };
  }

  async realise(paths: readonly StorePath[], root: string): Promise<void> {
    await this.held;
    this.fetches.push([...paths]);
    for (const path of [...paths, LIBC]) if (path !== this.vanishes) this.present.add(path);
    await rm(root, { force: true });
    await symlink(paths[0] ?? '', root);
  }

  async removeRoot(root: string): Promise<void> {
    await rm(root, { force: true });
  }
}

async function open(t: TestContext, options: Partial<PolicyOptions>, free = 1000) {
  const roots = await mkdtemp(join(tmpdir(), 'policy-'));
  const store = new SmallStore();
  const retired: string[] = [];
  const refusals: PolicyRefusal[] = [];
  const gate = new PolicyGate(
    { rules: [], default: 'allow', unknownImage: 'refuse', ...options },
    {
      store,
      usage: new NodeUsage({ directories: [roots, join(roots, 'none')] }, { store }),
      disk: {
        storeDir: async () => STORE_DIR,
        free: async () => free - 100 * store.present.size,
        has: async (path) => store.present.has(path),
      },
      release: async () => {
        const kept = retired.splice(0);
        for (const root of kept) await store.removeRoot(root);
        return kept.length;
      },
      observe: (refusal) => refusals.push(refusal),
      log: silentLog,
    },
  );
  const ungated = new RealiseQueue(
    { concurrency: 4, long: 4, maxWaiting: 100, graceMs: 60_000 },
    { store, log: silentLog },
  );
  const queue = new GatedQueue({ queue: ungated, gate, store });
  t.after(async () => {
    await ungated.close();
    await gate[Symbol.asyncDispose]();
    await rm(roots, { recursive: true });
  });
  const link = (path: StorePath) => join(roots, path.slice(-5));
  const realise = async (path: StorePath, subject: Subject = {}) =>
    await queue.realise([path], link(path), { subject, deadlineMs: 10_000 });
  return { store, gate, queue, realise, link, retired, refusals };
}

const isRefused =
  (code: string, ...parts: readonly string[]) =>
  (error: Error & { code?: string }) => {
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`);
    return true;
  };

describe('the gate', () => {
  it('asks Nix nothing when what is named decides', async (t) => {
    const rules = [{ name: 'ours', action: 'allow', image: ['registry.corp/*'] }] as const;
    const { store, realise } = await open(t, { rules, default: 'deny' });
    await realise(APP, { image: 'registry.corp/app:1' });
    await assert.rejects(
      realise(OTHER, { image: 'evil.corp/app:1' }),
      isRefused('PermissionDenied', 'no rule allows image evil.corp/app:1', '[policy]'),
    );
    assert.equal(store.asked, 0);
    assert.deepEqual(store.fetches, [[APP]]);
  });

  it('refuses a path of the closure before anything is fetched, and leaves no root', async (t) => {
    const rules = [{ name: 'no-libc', action: 'deny', path: ['*-libc'] }] as const;
    const { store, realise, link } = await open(t, { rules });
    await assert.rejects(
      realise(APP, { image: 'registry.corp/app:1' }),
      isRefused('PermissionDenied', 'rule no-libc denies image registry.corp/app:1', LIBC),
    );
    assert.deepEqual(store.fetches, []);
    await assert.rejects(readlink(link(APP)), { code: 'ENOENT' });
  });

  it('holds nobody longer than they wait while Nix does not say what is there, and keeps no room for them', async (t) => {
    const { store, queue, realise, link } = await open(t, { maxNodeBytes: 250 });
    const silent = Promise.withResolvers<void>();
    store.silent = silent.promise;
    const caller = new AbortController();
    const late = queue.realise([APP], link(APP), { deadlineMs: 50 });
    const gone = queue.realise([APP], link(APP), { signal: caller.signal });
    await assert.rejects(late, { code: 'DeadlineExceeded', message: /0-app: .* is not counted yet/ });
    caller.abort();
    await assert.rejects(gone, { code: 'Cancelled' });
    silent.resolve();
    await realise(OTHER);
    assert.deepEqual(store.fetches, [[OTHER]]);
  });

  it('judges what was not told before when it is there; then no root is left', async (t) => {
    const rules = [{ name: 'small', action: 'deny', largerThan: 150 }] as const;
    const { store, realise, link } = await open(t, { rules });
    store.onCache.clear();
    await assert.rejects(
      realise(APP),
      isRefused('PermissionDenied', 'rule small denies', '200 B, more than 150 B'),
    );
    assert.deepEqual(store.fetches, [[APP]]);
    await assert.rejects(readlink(link(APP)), { code: 'ENOENT' });
  });

  it('judges layers that are still to come when they have', async (t) => {
    const rules = [{ name: 'small', action: 'deny', largerThan: 250 }] as const;
    const { store, realise, link } = await open(t, { rules });
    store.onCache.clear();
    await realise(APP, { also: [OTHER] });
    await assert.rejects(realise(OTHER, { also: [APP] }), isRefused('PermissionDenied', '300 B'));
    assert.equal(await readlink(link(APP)), APP);
    await assert.rejects(readlink(link(OTHER)), { code: 'ENOENT' });
  });

  it('leaves it to the realise to say why Nix does not answer, and judges what came all the same', async (t) => {
    const rules = [{ name: 'small', action: 'deny', largerThan: 150 }] as const;
    const { store, realise } = await open(t, { rules });
    store.measure = async () => {
      store.measure = SmallStore.prototype.measure.bind(store);
      throw new StatusError('Unavailable', 'no answer');
    };
    await assert.rejects(realise(APP), isRefused('PermissionDenied', 'rule small denies'));
    assert.deepEqual(store.fetches, [[APP]]);
  });

  it('lets nothing in that has gone before it could be judged', async (t) => {
    const rules = [{ name: 'small', action: 'deny', largerThan: 250 }] as const;
    const { store, realise } = await open(t, { rules });
    store.onCache.clear();
    store.vanishes = LIBC;
    await assert.rejects(realise(APP), isRefused('Unavailable', 'not whole any more'));
  });

  it('knows the image of a closure that it has let in, for a door that is not told', async (t) => {
    const rules = [{ name: 'ours', action: 'allow', image: ['registry.corp/*'] }] as const;
    const { realise, gate } = await open(t, { rules, default: 'deny' });
    await assert.rejects(realise(APP), isRefused('PermissionDenied', 'policy.unknown_image'));
    await realise(APP, { image: 'registry.corp/app:1' });
    await realise(APP);
    await assert.rejects(realise(OTHER), isRefused('PermissionDenied', 'unknown_image'));
    gate.remember([OTHER], 'registry.corp/app:1');
    await realise(OTHER);
  });

  it('takes a label for the image only where it is told to', async (t) => {
    const rules = [{ name: 'ours', action: 'allow', image: ['registry.corp/*'] }] as const;
    const claimed = 'registry.corp/app:1';
    const strict = await open(t, { rules, default: 'deny' });
    await assert.rejects(strict.realise(APP, { claimed }), isRefused('PermissionDenied'));
    const trusting = await open(t, { rules, default: 'deny', unknownImage: 'label' });
    await trusting.realise(APP, { claimed });
    await assert.rejects(trusting.realise(APP, { claimed: 'evil.corp/app' }), isRefused('PermissionDenied'));
    const skipping = await open(t, { rules, unknownImage: 'skip' });
    await skipping.realise(APP, {});
  });

  it('asks nothing about what was let in before', async (t) => {
    const { realise, store } = await open(t, { default: 'deny', maxImageBytes: 1 });
    await realise(APP, { admitted: true });
    assert.equal(store.asked, 0);
  });

  it('limits the bytes of one image, its other layers with it', async (t) => {
    const { realise, store } = await open(t, { maxImageBytes: 250 });
    await realise(APP, { image: 'a' });
    await assert.rejects(
      realise(OTHER, { image: 'a', also: [APP] }),
      isRefused('ResourceExhausted', 'max_image_bytes', '300 B', 'at most 250 B'),
    );
    assert.deepEqual(store.fetches, [[APP]]);
  });

  it('limits the bytes of all images, shared paths once; a root that goes makes room', async (t) => {
    const { realise, store, link } = await open(t, { maxNodeBytes: 250 });
    await realise(APP);
    await realise(APP);
    await assert.rejects(realise(OTHER), isRefused('ResourceExhausted', 'max_node_bytes', '300 B'));
    await store.removeRoot(link(APP));
    await realise(OTHER);
    assert.equal(store.fetches.length, 3);
  });

  it('gives up what is kept for later use before it refuses for want of room', async (t) => {
    const { realise, retired, link } = await open(t, { maxNodeBytes: 250 });
    await realise(APP);
    retired.push(link(APP));
    await realise(OTHER);
    assert.deepEqual(retired, []);
    await assert.rejects(readlink(link(APP)), { code: 'ENOENT' });
  });

  it('keeps space free, also while others fetch', async (t) => {
    const { realise, store } = await open(t, { minFreeBytes: 750 });
    const { promise, resolve } = Promise.withResolvers<void>();
    store.held = promise;
    const first = realise(APP);
    await assert.rejects(
      realise(OTHER),
      isRefused('ResourceExhausted', 'min_free_bytes', '700 B would stay free for /nix/store', '750 B'),
    );
    resolve();
    await first;
    await realise(APP);
  });

  it('holds the room of what is fetched when who asked has gone', async (t) => {
    const { queue, realise, store, link } = await open(t, { minFreeBytes: 750 });
    const { promise, resolve } = Promise.withResolvers<void>();
    store.held = promise;
    await assert.rejects(queue.realise([APP], link(APP), { deadlineMs: 20 }), { code: 'DeadlineExceeded' });
    await assert.rejects(realise(OTHER), isRefused('ResourceExhausted', 'min_free_bytes'));
    resolve();
    await realise(APP);
  });

  it('does not refuse for want of space what is there', async (t) => {
    const { realise, store } = await open(t, { minFreeBytes: 5000 });
    store.present.add(APP).add(LIBC);
    await realise(APP);
    await assert.rejects(realise(OTHER), isRefused('ResourceExhausted', 'min_free_bytes'));
  });

  it('tells of each refusal: by what, and at which door', async (t) => {
    const rules = [{ name: 'no-other', action: 'deny', path: ['*-other'] }] as const;
    const { realise, refusals } = await open(t, { rules, default: 'deny' });
    await assert.rejects(realise(OTHER, { door: 'image-service' }), isRefused('PermissionDenied'));
    await assert.rejects(realise(APP), isRefused('PermissionDenied'));
    const { gate, refusals: others } = await open(t, { default: 'deny' });
    assert.throws(() => gate.checkReference('registry.corp/x', 'resolver'), isRefused('PermissionDenied'));
    const limits = { maxImageBytes: 150, maxNodeBytes: 150, minFreeBytes: 950 };
    const told = [];
    for (const limit of Object.entries(limits)) {
      const limited = await open(t, Object.fromEntries([limit]));
      await assert.rejects(limited.realise(APP), isRefused('ResourceExhausted'));
      told.push(...limited.refusals);
    }
    assert.deepEqual(
      [...refusals, ...others, ...told].map(({ door, by }) => `${door} ${by}`),
      [
        'image-service rule',
        'snapshots default',
        'resolver default',
        'snapshots max_image_bytes',
        'snapshots max_node_bytes',
        'snapshots min_free_bytes',
      ],
    );
  });

  it('shows of a reference only what one can have', async (t) => {
    const { realise } = await open(t, { default: 'deny', unknownImage: 'label' });
    await assert.rejects(
      realise(APP, { claimed: 'evil\n\u001B[31m' }),
      isRefused('PermissionDenied', 'image evil???31m,'),
    );
  });
});

it('the bytes of a measure are those of both its parts', () => {
  const one = new Map([[APP, 1]]);
  assert.equal(bytesOf({ present: one, absent: new Map([[LIBC, 2]]) }), 3);
});
