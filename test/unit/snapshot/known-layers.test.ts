import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import { chainId } from '../../../src/closure/chain-id.ts';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { layerDiffId } from '../../../src/closure/layer-tar.ts';
import { planNixLayer } from '../../../src/closure/nix-layer.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { KnownLayers } from '../../../src/snapshot/known-layers.ts';
import { ViewChoice } from '../../../src/view/choice.ts';
import type { ViewName } from '../../../src/view/view.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const path = (name: string): StorePath => `/nix/store/${HASH}-${name}` as StorePath;
const DIRECTORY = path('dir');
const LINK = path('link');
const CLOSURE: LayerClosure = { kind: 'paths', paths: [DIRECTORY, LINK] };
const BASE = `sha256:${'b'.repeat(64)}`;
const BLOB = `sha256:${'d'.repeat(64)}`;

describe('KnownLayers', () => {
  let store: string;
  let diffId: string;
  const asked: string[] = [];

  before(async () => {
    store = mkdtempSync(join(tmpdir(), 'known-'));
    mkdirSync(join(store, `${HASH}-dir`));
    symlinkSync('/nowhere', join(store, `${HASH}-link`));
    const kinds = new Map([
      [DIRECTORY, { kind: 'directory' as const }],
      [LINK, { kind: 'symlink' as const, target: '/nowhere' }],
    ]);
    diffId = await layerDiffId(planNixLayer(kinds, CLOSURE));
  });
  after(() => rmSync(store, { recursive: true }));

  const known = (options: { view?: ViewName; hasBlob?: () => Promise<boolean> } = {}) => {
    const realStoreDir = () => Promise.resolve(store);
    return new KnownLayers({
      closures: new ClosureReader({ realStoreDir }),
      realStoreDir,
      choice: new ViewChoice(
        { configured: options.view ?? 'auto', cannotOverlay: undefined },
        { log: silentLog },
      ),
      hasBlob: (namespace, digest) => {
        asked.push(`${namespace} ${digest}`);
        return options.hasBlob?.() ?? Promise.resolve(true);
      },
      log: silentLog,
    });
  };

  const record = (reference: string, change: Partial<SnapshotRecord> = {}): SnapshotRecord => ({
    key: `k8s.io/7/extract-1-x ${reference}`,
    id: 3,
    kind: 'active',
    parent: '',
    created: { seconds: 1, nanos: 0 },
    updated: { seconds: 1, nanos: 0 },
    labels: new Map([
      ['containerd.io/snapshot.ref', reference],
      ['containerd.io/snapshot/nix-layer-digest', BLOB],
    ]),
    closure: { closure: CLOSURE, source: 'label' },
    ...change,
  });

  it('knows the layer of a closure by its chain ID, and asks for its blob in the namespace of the client', async () => {
    asked.length = 0;
    assert.equal(await known().isKnown(record(diffId)), true);
    assert.deepEqual(asked, [`k8s.io ${BLOB}`]);
  });

  it('knows it on top of other layers', async () => {
    const parents = [`k8s.io/2/${BASE}`, `k8s.io/2/extract-5-y ${BASE}`];
    for (const parent of parents) {
      assert.equal(await known().isKnown(record(chainId(BASE, diffId), { parent })), true, parent);
      assert.equal(await known().isKnown(record(diffId, { parent })), false, parent);
    }
    assert.equal(await known().isKnown(record(chainId(BASE, diffId), { parent: 'mine' })), false);
  });

  it('takes no annotation for a proof: another chain ID is another layer', async () => {
    assert.equal(await known().isKnown(record(BASE)), false);
  });

  it('leaves a layer out only when its blob is there', async () => {
    assert.equal(await known({ hasBlob: () => Promise.resolve(false) }).isKnown(record(diffId)), false);
    const down = { hasBlob: () => Promise.reject(new Error('containerd does not answer')) };
    assert.equal(await known(down).isKnown(record(diffId)), false);
  });

  it('unpacks for binds, which need the mount points', async () => {
    assert.equal(await known({ view: 'binds' }).isKnown(record(diffId)), false);
    assert.equal(await known({ view: 'store' }).isKnown(record(diffId)), true);
  });

  for (const label of ['containerd.io/snapshot.ref', 'containerd.io/snapshot/nix-layer-digest']) {
    it(`unpacks without the label ${label}`, async () => {
      const labels = new Map(record(diffId).labels);
      labels.delete(label);
      assert.equal(await known().isKnown(record(diffId, { labels })), false);
    });
  }

  it('unpacks while a path is not on this host, and when a path is of another kind', async () => {
    rmSync(join(store, `${HASH}-dir`), { recursive: true });
    assert.equal(await known().isKnown(record(diffId)), false);
    writeFileSync(join(store, `${HASH}-dir`), '');
    assert.equal(await known().isKnown(record(diffId)), false);
  });
});
