import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import { chainId } from '../../../src/closure/chain-id.ts';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { layeredAnnotations } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { MEDIA, sha256 } from '../../../src/image/descriptor.ts';
import { storeTar } from '../../../src/image/store-tar.ts';
import { silentLog } from '../../../src/log.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { SNAPSHOT_REF_LABEL } from '../../../src/snapshot/labels.ts';
import {
  LayeredLayers,
  type LayeredLayersDeps,
  type LayeredLayersOptions,
} from '../../../src/snapshot/layered-layers.ts';
import { LayerDigests } from '../../../src/store-image/layer-digests.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const path = (name: string) => `/nix/store/${HASH}-${name}` as StorePath;
const INFO = path('closure-info');
const LIST = ['app', 'lib', 'libc'].map(path);
const HELD = [path('lib'), path('libc')];
const BASE = `sha256:${'b'.repeat(64)}`;
const ID = 7;

describe('LayeredLayers', () => {
  let store: string;
  let diffId: string;
  let rooted: Map<number, LayerClosure>;
  let realised: number;
  let failure: StatusError | undefined;
  const remembered = new Map<string, { digest: string; size: number }>();

  const fill = (content: string): void => {
    rmSync(store, { recursive: true, force: true });
    mkdirSync(join(store, `${HASH}-closure-info`), { recursive: true });
    writeFileSync(join(store, `${HASH}-closure-info/store-paths`), `${LIST.join('\n')}\n`);
    for (const each of LIST) writeFileSync(join(store, each.slice('/nix/store/'.length)), content + each);
  };
  const diffIdOf = async (paths: readonly StorePath[]) =>
    sha256(Buffer.concat(await Readable.from(storeTar(paths, store)).toArray()));

  before(async () => {
    store = mkdtempSync(join(tmpdir(), 'layered-'));
    fill('of ');
    diffId = await diffIdOf(HELD);
  });
  beforeEach(() => {
    rooted = new Map();
    realised = 0;
    failure = undefined;
  });
  after(() => rmSync(store, { recursive: true }));

  const layered = ({
    digests,
    ...options
  }: Partial<LayeredLayersOptions & Pick<LayeredLayersDeps, 'digests'>> = {}) => {
    const realStoreDir = async () => store;
    return new LayeredLayers(
      { wait: 'prepare', deadlineMs: 60_000, ...options },
      {
        closures: new ClosureReader({ realStoreDir }),
        realStoreDir,
        roots: {
          secure: async (id, closure) => {
            realised += 1;
            if (failure !== undefined) throw failure;
            rooted.set(id, closure);
          },
          release: async (id) => void rooted.delete(id),
        },
        digests:
          digests ??
          new LayerDigests({
            cache: {
              get: async (key) => remembered.get(key),
              put: async (key, summary) => void remembered.set(key, summary),
              forget: async (key) => void remembered.delete(key),
            },
            realStoreDir,
          }),
        log: silentLog,
      },
    );
  };
  const request = (reference: string, change: { parent?: string; labels?: Record<string, string> } = {}) => ({
    key: `k8s.io/7/extract-1-x ${reference}`,
    kind: 'active' as const,
    parent: change.parent ?? '',
    labels: new Map(
      Object.entries({
        [SNAPSHOT_REF_LABEL]: reference,
        ...layeredAnnotations(INFO, LIST, new Set(HELD)),
        ...change.labels,
      }),
    ),
  });

  it('gives the paths of a layer whose chain ID is theirs, with the closure rooted', async () => {
    assert.deepEqual(await layered().verifiedPaths(request(diffId), [], ID), HELD);
    assert.deepEqual([...rooted], [[ID, { kind: 'closure-info', path: INFO }]]);
    const above = request(chainId(BASE, diffId), { parent: `k8s.io/6/${BASE}` });
    assert.deepEqual(await layered().verifiedPaths(above, [], ID), HELD);
  });

  for (const [name, reference, change] of [
    ['whose bytes are others', `sha256:${'0'.repeat(64)}`, {}],
    ['that lies on another', chainId(BASE, 'DIFF_ID'), {}],
    ['on a parent whose chain ID is not known', 'DIFF_ID', { parent: 'k8s.io/6/base' }],
    [
      'that holds other paths than it says',
      'DIFF_ID',
      { labels: layeredAnnotations(INFO, LIST, new Set(LIST)) },
    ],
    [
      'that names a place beyond the list',
      'DIFF_ID',
      { labels: { 'containerd.io/snapshot/nix-layered-paths': '1-3' } },
    ],
    [
      'that names no store path',
      'DIFF_ID',
      { labels: { 'containerd.io/snapshot/nix-layered-closure': '/etc' } },
    ],
  ] as const) {
    it(`has a layer unpacked ${name}, and roots nothing for it`, async () => {
      const layers = layered();
      const asked = request(reference.replace('DIFF_ID', diffId), change);
      assert.equal(await layers.verifiedPaths(asked, [], ID), undefined);
      assert.deepEqual([...rooted], []);
      // A bad layer does not stand in the way of a good one with the same closure.
      assert.deepEqual(await layers.verifiedPaths(request(diffId), [], ID), HELD);
    });
  }

  it('asks Nix nothing for an ordinary layer, or without a chain ID', async () => {
    const ordinary = { ...request(diffId), labels: new Map([[SNAPSHOT_REF_LABEL, diffId]]) };
    assert.equal(await layered().verifiedPaths(ordinary, [], ID), undefined);
    const nameless = request(diffId);
    nameless.labels.delete(SNAPSHOT_REF_LABEL);
    assert.equal(await layered().verifiedPaths(nameless, [], ID), undefined);
    assert.equal(realised, 0);
  });

  it('has the layers unpacked of a closure that no cache has, and asks once for all of them', async () => {
    failure = new StatusError('FailedPrecondition', 'no substituter has it');
    const layers = layered();
    assert.equal(await layers.verifiedPaths(request(diffId), [], ID), undefined);
    assert.equal(await layers.verifiedPaths(request(diffId), [], ID + 1), undefined);
    assert.equal(realised, 1);
    assert.deepEqual([...rooted], []);
  });

  it('waits for a realise that goes on, by the retry of the client', async () => {
    failure = new StatusError('DeadlineExceeded', 'it goes on');
    const layers = layered();
    await assert.rejects(layers.verifiedPaths(request(diffId), [], ID), { code: 'DeadlineExceeded' });
    failure = undefined;
    assert.deepEqual(await layers.verifiedPaths(request(diffId), [], ID), HELD);
  });

  it('where Prepare does not wait for Nix, takes what is there and has the rest unpacked', async () => {
    const layers = layered({ wait: 'apply' });
    assert.deepEqual(await layers.verifiedPaths(request(diffId), [], ID), HELD);
    rmSync(join(store, `${HASH}-closure-info`), { recursive: true });
    assert.equal(await layers.verifiedPaths(request(diffId), [], ID), undefined);
    assert.equal(realised, 1);
    fill('of ');
  });

  it('looks again at a path that was made anew', async () => {
    assert.deepEqual(await layered().verifiedPaths(request(diffId), [], ID), HELD);
    fill('OF ');
    assert.equal(await layered().verifiedPaths(request(diffId), [], ID), undefined);
    assert.deepEqual(await layered().verifiedPaths(request(await diffIdOf(HELD)), [], ID), HELD);
    fill('of ');
  });

  it('has a layer unpacked on a chain that is longer than that of any image', async () => {
    const layers = layered();
    const chain = Array.from({ length: 128 }, (_, at) => layerBelow(at));
    assert.equal(await layers.verifiedPaths(request(diffId), chain, ID), undefined);
    assert.equal(realised, 0);
    assert.deepEqual(await layers.verifiedPaths(request(diffId), chain.slice(1), ID), HELD);
  });

  it('has a layer unpacked whose paths a neighbour below holds', async () => {
    const layers = layered();
    const below = [layerBelow(2, [path('app')]), layerBelow(1, [path('a'), path('libc')])];
    assert.equal(await layers.verifiedPaths(request(diffId), below, ID), undefined);
    assert.deepEqual([...rooted], []);
    // With another layer between, each is in a view of its own.
    assert.deepEqual(await layers.verifiedPaths(request(diffId), [layerBelow(3), ...below], ID), HELD);
  });

  it('reads no path again and again for layers that are not what they say', async () => {
    const reads = new Map<StorePath, number>();
    const layers = layered({
      digests: {
        describe: async (paths) => {
          for (const each of paths) reads.set(each, (reads.get(each) ?? 0) + 1);
          return { mediaType: MEDIA.ociLayer, digest: diffId, size: 1 };
        },
      },
    });
    const ask = (places: string, reference: string) =>
      layers.verifiedPaths(
        request(reference, { labels: { 'containerd.io/snapshot/nix-layered-paths': places } }),
        [],
        ID,
      );
    for (const places of ['1-2', '1', '2', '1-2', '2', '1-2', '1', '1-2'])
      assert.equal(await ask(places, `sha256:${'0'.repeat(64)}`), undefined);
    assert.deepEqual([...reads.values()], [4, 4]);
    const asked = realised;
    assert.equal(await ask('0-2', diffId), undefined);
    assert.equal(realised, asked);
    // The other layers of an image of which some are not what they say.
    assert.deepEqual(await ask('0', diffId), [LIST[0]]);
  });

  it('counts a layer that cannot be read as one that is not what it says', async () => {
    let read = 0;
    const damaged = async () => {
      read += 1;
      throw new StatusError('DataLoss', 'it cannot be read');
    };
    const layers = layered({ digests: { describe: damaged } });
    for (let at = 0; at < 10; at += 1)
      assert.equal(await layers.verifiedPaths(request(diffId), [], ID), undefined);
    assert.equal(read, 4);
    assert.deepEqual([...rooted], []);
  });

  it('does not wait again for a closure that could not be read in time', async () => {
    let read = 0;
    const stuck = async (_: readonly StorePath[], signal: AbortSignal) => {
      read += 1;
      await once(signal, 'abort');
      throw new StatusError('Cancelled', 'nobody waits for it');
    };
    const layers = layered({ deadlineMs: 10, digests: { describe: stuck } });
    assert.equal(await layers.verifiedPaths(request(diffId), [], ID), undefined);
    const other = { labels: { 'containerd.io/snapshot/nix-layered-paths': '0' } };
    assert.equal(await layers.verifiedPaths(request(diffId, other), [], ID), undefined);
    assert.equal(read, 1);
    assert.deepEqual([...rooted], []);
  });
});

/** A stored layer; verified if it holds paths. */
function layerBelow(id: number, paths?: readonly StorePath[]): SnapshotRecord {
  const at = { seconds: 1, nanos: 0 };
  return {
    key: String(id),
    id,
    kind: 'committed',
    parent: '',
    created: at,
    updated: at,
    labels: new Map(),
    ...(paths === undefined ? {} : { closure: { closure: { kind: 'paths', paths }, source: 'verified' } }),
  };
}
