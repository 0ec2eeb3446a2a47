import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
  type LayerClosure,
} from '../../../src/closure/annotations.ts';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { LAYERED_CLOSURE_ANNOTATION } from '../../../src/closure/layered.ts';
import { HELD_STORE_MODE, LAYER_MARKER } from '../../../src/closure/recover.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { Layout } from '../../../src/snapshot/layout.ts';
import { ClosureRecovery } from '../../../src/snapshot/recovery.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const A = `/nix/store/${HASH}-a` as StorePath;
const B = `/nix/store/${HASH}-b` as StorePath;
const INFO = `/nix/store/${HASH}-closure-info` as StorePath;
const OTHER_INFO = `/nix/store/${HASH}-other-info` as StorePath;

const BY_INFO = { [CLOSURE_ANNOTATION]: INFO };
const byPaths = (...paths: readonly StorePath[]) => ({
  [LEGACY_LAYER_ANNOTATION]: 'true',
  ...Object.fromEntries(paths.map((path, at) => [`${LEGACY_PATH_PREFIX}${at}`, path])),
});

/** What was unpacked, by path: text is a file, null a directory. */
type Tree = Readonly<Record<string, string | null>>;
const mountPoints = (...paths: readonly StorePath[]): Tree =>
  Object.fromEntries(paths.map((path) => [path.slice(1), null]));
const marked = (text: string): Tree => ({ 'nix/store': null, [LAYER_MARKER]: text });

const LISTED: Pick<ClosureReader, 'pathsOf'> = {
  pathsOf: (closure) =>
    Promise.resolve(closure.kind === 'paths' ? closure.paths : closure.path === INFO ? [A, B] : []),
};

describe('the closure of a layer at Commit', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'recovery-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const active: SnapshotRecord = {
    key: 'extract-1-x sha256:0',
    id: 7,
    kind: 'active',
    parent: '',
    created: { seconds: 0, nanos: 0 },
    updated: { seconds: 0, nanos: 0 },
    labels: new Map(),
  };

  async function closureOf(
    labels: Readonly<Record<string, string>>,
    tree: Tree,
    {
      prepared,
      enabled = true,
      closures = LISTED,
    }: {
      readonly prepared?: LayerClosure;
      readonly enabled?: boolean;
      readonly closures?: Pick<ClosureReader, 'pathsOf'>;
    } = {},
  ) {
    const layout = new Layout(root);
    mkdirSync(layout.fs(active.id), { recursive: true });
    for (const [path, content] of Object.entries(tree)) {
      const place = join(layout.fs(active.id), path);
      mkdirSync(content === null ? place : dirname(place), { recursive: true });
      if (content !== null) writeFileSync(place, content);
    }
    const recovery = new ClosureRecovery({ enabled }, { layout, closures, log: silentLog });
    const record =
      prepared === undefined
        ? active
        : { ...active, closure: { closure: prepared, source: 'label' as const } };
    return await recovery.closureAtCommit(record, new Map(Object.entries(labels)));
  }

  const paths = { kind: 'paths', paths: [A, B] } as const;
  const info = { kind: 'closure-info', path: INFO } as const;

  for (const [what, labels, tree, closure] of [
    ['whose marker names it', BY_INFO, { ...marked(`${INFO}\n`), 'etc/motd': 'more' }, info],
    ['that has a mount point for each of its paths', BY_INFO, mountPoints(A, B), info],
    ['whose store paths are labels', byPaths(A, B), mountPoints(A, B), paths],
    ['with an empty marker', byPaths(A, B), { ...mountPoints(A, B), ...marked('') }, paths],
    ['that names none and shows none', byPaths(), { etc: null }, { kind: 'paths', paths: [] }],
  ] as const) {
    it(`is the one that the labels name for a layer ${what}`, async () => {
      assert.deepEqual(await closureOf(labels, tree), { closure, source: 'label' });
      assert.deepEqual(await closureOf({}, tree, { prepared: closure, enabled: false }), {
        closure,
        source: 'label',
      });
    });
  }

  it('cannot be told without a marker while its list is not on this host', async () => {
    const closures = new ClosureReader({ realStoreDir: () => Promise.resolve(join(root, 'store')) });
    await assert.rejects(closureOf(BY_INFO, mountPoints(A, B), { closures }), {
      code: 'FailedPrecondition',
      message: /store-paths cannot be read: .*; pull the image again/,
    });
    const { closure } = (await closureOf(BY_INFO, marked(INFO), { closures })) ?? {};
    assert.deepEqual(closure, info);
  });

  for (const [what, labels, tree, message] of [
    ['an ordinary layer', BY_INFO, { 'etc/passwd': 'root' }, /is no Nix layer/],
    ['an empty layer', byPaths(A), {}, /the store path \S+-a, but what was unpacked is no Nix layer/],
    [
      'a layer with content in a mount point',
      BY_INFO,
      { ...mountPoints(A), [`${B.slice(1)}/bin`]: 'x' },
      /is no Nix layer/,
    ],
    [
      'the layer of another closure',
      BY_INFO,
      marked(OTHER_INFO),
      /is marked as the layer of \S+-other-info;/,
    ],
    [
      'a marked layer, by paths',
      byPaths(A, B),
      marked(INFO),
      /\S+-a and 1 more store paths, but .* is marked as/,
    ],
    ['a layer with fewer paths', BY_INFO, mountPoints(A), /has no mount point for \S+-b;/],
    ['a layer with more paths', byPaths(A), mountPoints(A, B), /has a mount point for \S+-b, too;/],
    ['a Nix layer as if it were nothing', byPaths(), mountPoints(A), /has a mount point for \S+-a, too;/],
    ['a marked layer as if it were nothing', byPaths(), marked(INFO), /is marked as the layer of/],
  ] as const) {
    it(`is refused when labels call ${what} what it is not`, async () => {
      await assert.rejects(closureOf(labels, tree), { code: 'InvalidArgument', message });
    });
  }

  it('is an ordinary layer with a marker that is too long', async () => {
    assert.equal(await closureOf({}, marked(`${INFO}${' '.repeat(4096)}`)), undefined);
  });

  it('is found without labels, also where one says that the layer holds its store paths', async () => {
    const recovered = { closure: info, source: 'recovered' };
    assert.deepEqual(await closureOf({}, marked(INFO)), recovered);
    assert.deepEqual(await closureOf({ [LAYERED_CLOSURE_ANNOTATION]: OTHER_INFO }, marked(INFO)), recovered);
    assert.equal(await closureOf({}, marked(INFO), { enabled: false }), undefined);
    chmodSync(join(new Layout(root).fs(active.id), 'nix/store'), HELD_STORE_MODE);
    assert.equal(await closureOf({ [LAYERED_CLOSURE_ANNOTATION]: INFO }, {}), undefined);
  });
});
