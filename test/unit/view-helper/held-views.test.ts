import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { HeldViews } from '../../../src/view-helper/held-views.ts';
import { viewKey } from '../../../src/view/overlay/fingerprint.ts';

const path = (name: string) => `/nix/store/0123456789abcdfghijklmnpqrsvwxyz-${name}` as StorePath;
const [a, b, c] = [path('a'), path('b'), path('c')];
const keyOf = (...paths: readonly StorePath[]) => viewKey({ kind: 'paths', paths });
const never = new AbortController().signal;

/** Store paths are files, views names in a map. */
class Host {
  readonly gcRoots: string;
  readonly store: string;
  readonly valid = new Set([a, b, c]);
  readonly rooted = new Set<string>();
  readonly mounted = new Map<string, number>();
  readonly inUse = new Set<string>();
  refusal: string | undefined;
  views: HeldViews;

  constructor(directory: string) {
    this.gcRoots = join(directory, 'gcroots');
    this.store = join(directory, 'store');
    this.views = this.open();
  }

  open(limits: { maxViews?: number; maxPaths?: number } = {}): HeldViews {
    const { valid, rooted, mounted, gcRoots } = this;
    this.views = new HeldViews(
      { gcRoots, maxViews: 2, maxPaths: 3, graceMs: 1000, ...limits },
      {
        log: silentLog,
        inUse: async () => this.inUse,
        nix: {
          valid: async (paths) => new Set(paths.filter((one) => valid.has(one))),
          realStoreDir: async () => this.store,
          realise: async (paths, root) => {
            rooted.add(root);
            await rm(root, { force: true });
            await symlink(paths[0] ?? '', root);
          },
          removeRoot: async (root) => {
            rooted.delete(root);
            await rm(root);
          },
        },
        views: {
          show: async (closure) => {
            if (this.refusal !== undefined) return { refused: this.refusal };
            mounted.set(viewKey(closure), closure.kind === 'paths' ? closure.paths.length : 0);
            return { root: `/views/${viewKey(closure)}/view/root`, metadata: 'm' };
          },
          mounted: async () => mounted,
          collect: async (inUse) => {
            for (const key of mounted.keys()) if (!inUse().has(key)) mounted.delete(key);
            return [];
          },
        },
      },
    );
    return this.views;
  }

  /** What Nix does when it collects: a path goes, the link that named it stays. */
  async collect(made: StorePath): Promise<void> {
    await rm(join(this.store, basename(made)));
  }

  async make(made: StorePath): Promise<void> {
    await writeFile(join(this.store, basename(made)), '');
  }

  get keys(): readonly string[] {
    return [...this.mounted.keys()].toSorted();
  }
}

describe('HeldViews', () => {
  let directory: string;
  let gcRoots: string;
  let host: Host;

  beforeEach(async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    directory = await mkdtemp(join(tmpdir(), 'held-views-'));
    host = new Host(directory);
    ({ gcRoots } = host);
    for (const made of [gcRoots, host.store]) await mkdir(made);
    for (const made of [a, b, c]) await host.make(made);
  });
  afterEach(async () => {
    host.views.close();
    mock.timers.reset();
    await rm(directory, { recursive: true });
  });

  const code = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof StatusError, String(error));
    return `${error.code} ${error.message}`;
  };
  /** Lets what a timer or a release has begun come to its end. */
  const settled = async () => {
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  /** Turns of the event loop until it holds; timers stand still. */
  const until = async (holds: () => boolean) => {
    for (let turn = 0; turn < 100_000 && !holds(); turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    assert.ok(holds(), holds.toString());
  };

  it('roots a closure before it is shown, and gives it up a while after the last holder', async () => {
    const one = await host.views.hold([a, b], never);
    const other = await host.views.hold([a, b], never);
    assert.equal(one.root, other.root);
    assert.deepEqual([...host.rooted], [join(gcRoots, keyOf(a, b))]);
    one.release();
    await settled();
    mock.timers.tick(1001);
    await settled();
    assert.deepEqual(host.keys, [keyOf(a, b)]);
    other.release();
    other.release();
    await settled();
    mock.timers.tick(999);
    await settled();
    assert.deepEqual(host.keys, [keyOf(a, b)]);
    mock.timers.tick(2);
    await until(() => host.mounted.size === 0 && host.rooted.size === 0);
  });

  it('refuses what is not valid, and roots nothing of it', async () => {
    host.valid.delete(b);
    assert.match(
      await code(host.views.hold([a, b], never)),
      /^FailedPrecondition store path .*-b is not valid/,
    );
    assert.equal(host.rooted.size, 0);
  });

  it('makes a root anew that names nothing any more', async () => {
    host.inUse.add(keyOf(a));
    await host.views.hold([a], never);
    host.views.close();
    await host.collect(a);
    host.rooted.clear();
    await host.open().adopt();
    await host.views.hold([a], never);
    assert.deepEqual([...host.rooted], [join(gcRoots, keyOf(a))]);
    assert.equal(await readlink(join(gcRoots, keyOf(a))), a);
  });

  it('gives its root back when no view can be made', async () => {
    host.refusal = 'no space';
    assert.match(
      await code(host.views.hold([a], never)),
      /^FailedPrecondition no view can be made: no space/,
    );
    assert.equal(host.rooted.size, 0);
  });

  it('makes room by what nobody holds, and refuses where all is held', async () => {
    const first = await host.views.hold([a], never);
    await host.views.hold([b], never);
    assert.match(await code(host.views.hold([c], never)), /^ResourceExhausted .*max_views = 2/);
    first.release();
    await settled();
    await host.views.hold([c], never);
    assert.deepEqual(host.keys, [keyOf(b), keyOf(c)].toSorted());
    assert.equal(host.rooted.size, 2);
  });

  it('keeps what containers stand on, whoever holds it', async () => {
    host.inUse.add(keyOf(a));
    (await host.views.hold([a], never)).release();
    (await host.views.hold([b], never)).release();
    await settled();
    mock.timers.tick(1001);
    await until(() => host.mounted.size === 1);
    assert.deepEqual(host.keys, [keyOf(a)]);
    await host.views.hold([b, c], never);
    assert.match(await code(host.views.hold([c], never)), /^ResourceExhausted/);
    host.rooted.clear();
    await rm(join(gcRoots, keyOf(a)));
    await host.open({ maxViews: 3, maxPaths: 9 }).adopt();
    assert.ok(host.mounted.has(keyOf(a)));
    (await host.views.hold([a], never)).release();
    assert.deepEqual([...host.rooted], [join(gcRoots, keyOf(a))]);
    host.inUse.clear();
    mock.timers.tick(1001);
    await until(() => host.mounted.size === 0);
  });

  it('bounds the paths of all views together', async () => {
    await host.views.hold([a, b], never);
    assert.match(await code(host.views.hold([b, c], never)), /^ResourceExhausted .*max_paths = 3/);
    await host.views.hold([c], never);
  });

  it('keeps nothing for a caller that has gone', async () => {
    const gone = new AbortController();
    const asked = code(host.views.hold([a], gone.signal));
    gone.abort();
    assert.match(await asked, /^Cancelled/);
    await settled();
    mock.timers.tick(1001);
    await until(() => host.mounted.size === 0);
  });

  it('takes over mounted, rooted views for the grace time, and clears the rest away', async () => {
    await host.views.hold([a], never);
    host.views.close();
    host.mounted.set('unrooted', 1);
    await symlink('/nix/store/none', join(gcRoots, 'unmounted'));
    const next = host.open();
    await next.adopt();
    assert.deepEqual(host.keys, [keyOf(a)]);
    assert.deepEqual([...host.rooted], [join(gcRoots, keyOf(a))]);
    const again = await next.hold([a], never);
    mock.timers.tick(5000);
    await settled();
    assert.deepEqual(host.keys, [keyOf(a)]);
    again.release();
    await settled();
    mock.timers.tick(1001);
    await until(() => host.mounted.size === 0);
  });

  it('counts what it took over', async () => {
    await host.views.hold([a, b], never);
    host.views.close();
    const next = host.open();
    await next.adopt();
    await next.hold([b, c], never);
    assert.deepEqual(host.keys, [keyOf(b, c)]);
  });
});
