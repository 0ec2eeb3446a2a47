import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { GcRoots } from '../../../src/nix/gc-roots.ts';
import { RetiredRoots } from '../../../src/nix/retired-roots.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import type { RealiseOptions } from '../../../src/nix/store.ts';
import { LayerRoots } from '../../../src/snapshot/layer-roots.ts';
import { LinkingNixStore } from './state-rig.ts';

const PATH_A = '/nix/store/00000000000000000000000000000000-a' as StorePath;
const PATH_B = '/nix/store/11111111111111111111111111111111-b' as StorePath;
const A: LayerClosure = { kind: 'paths', paths: [PATH_A] };
const B: LayerClosure = { kind: 'paths', paths: [PATH_B] };
const GRACE_MS = 60_000;
const DEADLINE_MS = 1000;

/** A store whose realises wait for `open`. */
class GatedStore extends LinkingNixStore {
  readonly gate = Promise.withResolvers<void>();
  /** Removals of roots that were kept. */
  readonly removals: Promise<void>[] = [];

  override async realise(
    paths: readonly StorePath[],
    root: string,
    options: RealiseOptions = {},
  ): Promise<void> {
    await options.mayFetch?.();
    await this.gate.promise;
    await super.realise(paths, root);
  }

  override removeRoot(root: string): Promise<void> {
    const removal = super.removeRoot(root);
    this.removals.push(removal);
    return removal;
  }
}

let store: GatedStore;
let queue: RealiseQueue;
let gcRoots: GcRoots;
let roots: LayerRoots;
let checked: () => Promise<void>;
let tick: (milliseconds: number) => void;

const links = async () => (await readdir(gcRoots.directory)).toSorted();

/** Waits until no realise is in flight and no kept root is being removed. */
async function idle(): Promise<void> {
  while (queue.inFlight().length > 0) await new Promise(setImmediate);
  await Promise.all(store.removals);
  await new Promise(setImmediate);
}

beforeEach(async (t) => {
  if (!('mock' in t)) throw new Error('no test context');
  const directory = await mkdtemp(join(tmpdir(), 'layer-roots-'));
  await mkdir(join(directory, 'gcroots'));
  store = new GatedStore();
  queue = new RealiseQueue(
    { concurrency: 1, long: 0, maxWaiting: 100, graceMs: GRACE_MS },
    { store, log: silentLog },
  );
  gcRoots = new GcRoots({ directory: join(directory, 'gcroots') });
  checked = () => Promise.resolve();
  const check = { check: () => checked() };
  const retired = new RetiredRoots({ graceMs: GRACE_MS }, { gcRoots, retired() {}, log: silentLog });
  roots = new LayerRoots(
    { deadlineMs: DEADLINE_MS, rooted: [] },
    { queue, gcRoots, retired, check, log: silentLog },
  );
  t.mock.timers.enable({ apis: ['setTimeout'] });
  tick = (milliseconds) => t.mock.timers.tick(milliseconds);
  t.after(async () => {
    store.gate.resolve();
    await queue.close();
    await rm(directory, { recursive: true });
  });
});

describe('the root of a stored snapshot', () => {
  it('stays when Nix took longer than a caller waits, however long nobody asks', async () => {
    void roots.secureLater(1, A);
    const waiting = roots.secureStored(1, A);
    await new Promise(setImmediate);
    tick(DEADLINE_MS + 1);
    await assert.rejects(waiting, {
      code: 'DeadlineExceeded',
      message: /pull again, the download goes on meanwhile/,
    });
    store.gate.resolve();
    await idle();
    tick(GRACE_MS + 1);
    await idle();
    assert.deepEqual([await links(), roots.isRooted(1)], [['1'], true]);
  });

  it('of layer after layer is waited for no longer than one deadline, and none is begun after it', async () => {
    const PATH_C = '/nix/store/22222222222222222222222222222222-c' as StorePath;
    const C: LayerClosure = { kind: 'paths', paths: [PATH_C] };
    const begun: (StorePath | undefined)[] = [];
    const gates = new Map([PATH_A, PATH_B, PATH_C].map((path) => [path, Promise.withResolvers<void>()]));
    const realise = store.realise.bind(store);
    store.realise = async (paths, root, options) => {
      begun.push(paths[0]);
      await gates.get(paths[0] ?? PATH_A)?.promise;
      await realise(paths, root, options);
    };
    store.gate.resolve();
    const until = async (count: number) => {
      while (begun.length < count) await new Promise(setImmediate);
    };
    const waiting = roots.secureAll([A, B, C].map((closure, at) => ({ id: at + 1, closure })));
    await until(1);
    tick(DEADLINE_MS * 0.6);
    gates.get(PATH_A)?.resolve();
    await until(2);
    tick(DEADLINE_MS * 0.6);
    await assert.rejects(waiting, { code: 'DeadlineExceeded' });
    gates.get(PATH_B)?.resolve();
    await idle();
    assert.deepEqual(
      [begun, await links()],
      [
        [PATH_A, PATH_B],
        ['1', '2'],
      ],
    );
    gates.get(PATH_C)?.resolve();
    await roots.secureAll([A, B, C].map((closure, at) => ({ id: at + 1, closure })));
    assert.deepEqual(await links(), ['1', '2', '3']);
  });

  it('stays when its caller went away', async () => {
    const caller = new AbortController();
    const waiting = roots.secureStored(1, A, caller.signal);
    caller.abort();
    await assert.rejects(waiting, { code: 'Cancelled' });
    store.gate.resolve();
    await idle();
    tick(GRACE_MS + 1);
    await idle();
    assert.deepEqual([await links(), roots.isRooted(1)], [['1'], true]);
  });

  it('is kept for the grace time, and no longer, when the snapshot goes while Nix works', async () => {
    void roots.secureLater(1, A);
    await new Promise(setImmediate);
    await roots.release(1);
    store.gate.resolve();
    await idle();
    assert.deepEqual([await links(), roots.isRooted(1), roots.count], [['1'], false, 0]);
    for (const id of roots.orphans(await roots.list(), new Set())) await roots.retire(id);
    assert.deepEqual(await links(), ['1']);
    tick(GRACE_MS + 1);
    await idle();
    assert.deepEqual(await links(), []);
  });

  it('goes with the snapshot, and leaves that of another with the same closure', async () => {
    store.gate.resolve();
    await Promise.all([roots.secureStored(1, A), roots.secure(2, A)]);
    await roots.release(1);
    assert.deepEqual([await links(), roots.isRooted(2)], [['2'], true]);
  });

  it('is of the closure that was asked for last', async () => {
    void roots.secureLater(1, A);
    const last = roots.secureStored(1, B);
    store.gate.resolve();
    await last;
    await idle();
    assert.equal(await readlink(join(gcRoots.directory, '1')), PATH_B);
  });

  it('is taken away for a closure that is refused, not for a check that failed', async () => {
    store.gate.resolve();
    checked = () => Promise.reject(new StatusError('Unavailable', 'no answer'));
    await assert.rejects(roots.secureStored(1, A), { code: 'Unavailable' });
    assert.deepEqual([await links(), roots.isRooted(1)], [['1'], false]);
    checked = () => Promise.reject(new StatusError('InvalidArgument', 'not its own'));
    await assert.rejects(roots.secureStored(1, A), { code: 'InvalidArgument' });
    assert.deepEqual([await links(), roots.isRooted(1)], [[], false]);
  });

  it('goes with the snapshot while Nix is asked about the closure, and does not answer', async () => {
    store.gate.resolve();
    const asked = Promise.withResolvers<void>();
    checked = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    const securing = assert.rejects(roots.secureStored(1, A), { code: 'Cancelled' });
    await asked.promise;
    await roots.release(1);
    await securing;
    assert.deepEqual(await links(), []);
  });
});

describe('the root of a snapshot that is being made', () => {
  it('is gone after a check that failed', async () => {
    store.gate.resolve();
    checked = () => Promise.reject(new StatusError('Unavailable', 'no answer'));
    await assert.rejects(roots.secure(1, A), { code: 'Unavailable' });
    assert.deepEqual([await links(), roots.isRooted(1)], [[], false]);
  });

  it('is gone after a check that nobody waits for', async () => {
    store.gate.resolve();
    const caller = new AbortController();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    checked = () => {
      resolve();
      return new Promise(() => {});
    };
    const waiting = roots.secure(1, A, caller.signal);
    await asked;
    caller.abort();
    await assert.rejects(waiting, { code: 'Cancelled' });
    assert.deepEqual([await links(), roots.isRooted(1)], [[], false]);
  });
});
