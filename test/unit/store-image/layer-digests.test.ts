import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import type { LayerSummary } from '../../../src/store-image/digest-cache.ts';
import { LayerDigests } from '../../../src/store-image/layer-digests.ts';

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const ONE = path('one');
const OTHER = path('other');
const { signal: wanted } = new AbortController();

describe('LayerDigests', () => {
  let store: string;
  /** What the next computed layer waits for before it is remembered: it keeps its turn until then. */
  let held: Promise<void>;
  let remembered: Map<string, LayerSummary>;
  let digests: LayerDigests;

  beforeEach(() => {
    store = mkdtempSync(join(tmpdir(), 'layer-digests-'));
    for (const each of [ONE, OTHER]) {
      mkdirSync(join(store, basename(each)));
      writeFileSync(join(store, basename(each), 'file'), each);
    }
    held = Promise.resolve();
    remembered = new Map();
    const cache = {
      get: async (key: string) => remembered.get(key),
      put: async (key: string, summary: LayerSummary) => {
        await held;
        remembered.set(key, summary);
      },
      forget: async (key: string) => void remembered.delete(key),
    };
    digests = new LayerDigests({ cache, realStoreDir: async () => store });
  });
  afterEach(() => rmSync(store, { recursive: true }));

  it('never takes a layer of which a path is gone for the layer of the rest', async () => {
    const alone = await digests.describe([ONE], wanted);
    assert.notEqual((await digests.describe([ONE, OTHER], wanted)).digest, alone.digest);
    rmSync(join(store, basename(OTHER)), { recursive: true });
    const gone = { code: 'FailedPrecondition', message: new RegExp(OTHER) };
    await assert.rejects(digests.describe([ONE, OTHER], wanted), gone);
    await assert.rejects(digests.forget([ONE, OTHER]), gone);
    assert.deepEqual(await digests.describe([ONE], wanted), alone);
    assert.equal(remembered.size, 2);
  });

  it('lets a caller go that waits for its turn, and reads nothing for it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    const before = [1, 2, 3].map(() => digests.describe([ONE], wanted));
    const caller = new AbortController();
    const late = digests.describe([OTHER], caller.signal);
    setImmediate(() => caller.abort());
    await assert.rejects(late, { code: 'Cancelled' });
    resolve();
    await Promise.all(before);
    // Its turn comes before this one's.
    await digests.describe([ONE, OTHER], wanted);
    assert.equal(remembered.size, 2);
  });
});
