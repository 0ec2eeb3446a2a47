import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { silentLog } from '../../../src/log.ts';
import { LayerDigests } from '../../../src/store-image/layer-digests.ts';
import { OrdinaryLayers } from '../../../src/store-image/ordinary-layers.ts';
import { pathImage } from '../../../src/store-image/path-image.ts';

const NAME = `${'0'.repeat(32)}-hello`;
const PATH = `/nix/store/${NAME}` as StorePath;
const WANTED = { kind: 'path', path: PATH } as const;

describe('OrdinaryLayers', () => {
  let top = '';
  /** Leases of the named image that are out. */
  let leases = 0;
  const realised: (readonly LayerClosure[])[] = [];
  before(() => (top = mkdtempSync(join(tmpdir(), 'layers-'))));
  beforeEach(() => {
    rmSync(join(top, NAME), { recursive: true, force: true });
    mkdirSync(join(top, NAME));
    writeFileSync(join(top, NAME, 'data'), Buffer.alloc(3_000_000, 'data'));
    realised.length = 0;
  });
  after(() => rmSync(top, { recursive: true }));

  const realStoreDir = async () => top;
  const nix = {
    realStoreDir,
    closure: async () => [PATH],
    referenceGraph: async () => new Map([[PATH, []]]),
  };
  const open = (digests: Pick<LayerDigests, 'describe' | 'forget'> = remembering()) =>
    new OrdinaryLayers({
      nix,
      digests,
      closures: { pathsOf: async () => [PATH] },
      log: silentLog,
      resolver: {
        resolveNeeded: async () => {
          const image = await pathImage(PATH, { nix, store: new StoreFiles({ realStoreDir: top }) });
          leases += 1;
          return { image, judged: `nix:0${PATH}`, [Symbol.dispose]: () => void (leases -= 1) };
        },
        realise: async (closures) => void realised.push(closures),
      },
    });
  function remembering(): LayerDigests {
    const known = new Map<string, { digest: string; size: number }>();
    const cache = {
      get: async (key: string) => known.get(key),
      put: async (key: string, summary: { digest: string; size: number }) => void known.set(key, summary),
      forget: async (key: string) => void known.delete(key),
    };
    return new LayerDigests({ cache, realStoreDir });
  }
  const never = new AbortController().signal;

  it('keeps the named image in use as long as the one that is made of it, once', async () => {
    {
      await using layers = open();
      const [one, other] = await Promise.all([
        layers.resolve(WANTED, never, { deadlineMs: 60_000 }),
        layers.resolve(WANTED, never, { deadlineMs: 60_000 }),
      ]);
      assert.equal(one.image, other.image);
      assert.equal(leases, 1);
      one[Symbol.dispose]();
      other[Symbol.dispose]();
      assert.equal(leases, 1);
    }
    assert.equal(leases, 0);
  });

  it('makes the image anew after its bytes were found to be others', async () => {
    await using layers = open();
    const digests: string[] = [];
    for (const text of ['data', 'DATA']) {
      using lease = await layers.resolve(WANTED, never, { deadlineMs: 60_000 });
      digests.push(lease.image.target.descriptor.digest);
      writeFileSync(join(top, NAME, 'data'), Buffer.alloc(3_000_000, text === 'data' ? 'DATA' : text));
      const big = [...lease.image.blobs.values()].find(({ descriptor }) => descriptor.size > 3_000_000);
      assert.ok(big);
      const read = buffer(await big.open());
      if (text === 'data') await assert.rejects(read, { code: 'DataLoss' });
      else assert.equal((await read).length, big.descriptor.size);
    }
    assert.notEqual(digests[0], digests[1]);
    assert.equal(leases, 1);
  });

  it('stops reading when the client has gone, and leaves nothing in use', async () => {
    const gone = new AbortController();
    const started = Promise.withResolvers<AbortSignal>();
    const slow = {
      describe: async (_paths: readonly StorePath[], signal: AbortSignal) => {
        started.resolve(signal);
        return await new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
        });
      },
      forget: async () => {},
    };
    await using layers = open(slow);
    const asked = assert.rejects(layers.resolve(WANTED, gone.signal, { deadlineMs: 60_000 }), {
      code: 'Cancelled',
    });
    const reading = await started.promise;
    assert.equal(reading.aborted, false);
    gone.abort();
    await asked;
    assert.equal(reading.aborted, true);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(leases, 0);
  });

  it('realises what only the content of layers names, each time it is asked', async () => {
    await using layers = open();
    for (let asked = 0; asked < 2; asked++)
      (await layers.resolve(WANTED, never, { deadlineMs: 60_000 }))[Symbol.dispose]();
    // The closure of this image is named, and the resolver has seen to it.
    assert.deepEqual(realised, [[], []]);
  });
});
