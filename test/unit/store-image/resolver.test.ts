import assert from 'node:assert/strict';
import { lstatSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import { LAYERED_PATHS_ANNOTATION, layeredAnnotations } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { PulledRoots } from '../../../src/store-image/pulled-roots.ts';
import { Resolver, type ResolverDeps } from '../../../src/store-image/resolver.ts';
import { ociArchive } from '../../fixtures/oci-archive.ts';

const NAME = `${'0'.repeat(32)}-image.tar`;
const ARCHIVE = `/nix/store/${NAME}` as StorePath;
const LIST = `/nix/store/${'1'.repeat(32)}-closure-info` as StorePath;
const HELD = `/nix/store/${'2'.repeat(32)}-held` as StorePath;
const WANTED = { kind: 'path', path: ARCHIVE } as const;
const never = new AbortController().signal;

describe('an archive whose layers hold their store paths', () => {
  let top = '';
  let asked: (readonly StorePath[])[];
  let refuse: StatusError | undefined;
  let inUse: LayerClosure | undefined;

  before(async () => {
    top = mkdtempSync(join(tmpdir(), 'resolver-'));
    const annotations = layeredAnnotations(LIST, [HELD], new Set([HELD]));
    const unreadable = { ...annotations, [LAYERED_PATHS_ANNOTATION]: 'all of them' };
    const layers = [annotations, annotations, unreadable].map((each, at) => ({
      entries: [{ path: `held-${at}`, content: 'held' }],
      annotations: each,
    }));
    writeFileSync(join(top, NAME), await ociArchive({ name: 'layered:1', layers }));
  });
  beforeEach(() => {
    asked = [];
    refuse = undefined;
  });
  after(() => rmSync(top, { recursive: true }));

  const open = () =>
    new Resolver({ deadlineMs: 60_000 }, {
      nix: { realStoreDir: async () => top, valid: async (paths: readonly StorePath[]) => new Set(paths) },
      isInUse: async (closure: LayerClosure) => isDeepStrictEqual(closure, inUse),
      queue: {
        realiseForLater: async (paths: readonly StorePath[]) => {
          asked.push(paths);
          if (paths.includes(LIST) && refuse !== undefined) throw refuse;
        },
      },
      roots: new PulledRoots({ directory: top }),
      built: { async [Symbol.asyncDispose]() {} },
      log: silentLog,
    } as unknown as ResolverDeps);

  it('has its closure realised by the pull, not by Prepare, once for all layers', async () => {
    await using resolver = open();
    using lease = await resolver.resolve(WANTED, never);
    assert.deepEqual(asked, [[ARCHIVE], [LIST]]);
    assert.equal(lease.image.blobs.size > 0, true);
  });

  it('is served to a client that unpacks them whether or not a cache has the closure', async () => {
    await using resolver = open();
    refuse = new StatusError('FailedPrecondition', 'no substituter has it');
    using lease = await resolver.resolve(WANTED, never);
    assert.equal(lease.image.blobs.size > 0, true);
    asked = [];
    using _ = await resolver.resolveNeeded(WANTED, never, { deadlineMs: 60_000 });
    assert.deepEqual(asked, [[ARCHIVE]]);
  });

  it('is needed, and so rooted, as long as one of its layers is in use', async () => {
    await using resolver = open();
    const root = join(top, 'pulled', NAME);
    mkdirSync(join(top, 'pulled'));
    symlinkSync(ARCHIVE, root);
    lutimesSync(root, 0, 0);
    assert.equal(await resolver.isNeeded(root), false);
    assert.equal(lstatSync(root).mtimeMs, 0);
    inUse = { kind: 'closure-info', path: LIST };
    assert.equal(await resolver.isNeeded(root), true);
    assert.ok(Date.now() - lstatSync(root).mtimeMs < 60_000);
    assert.equal(await resolver.isNeeded(join(top, 'pulled', 'flake-0')), false);
  });

  it('is not served before the closure is there, while Nix goes on', async () => {
    await using resolver = open();
    refuse = new StatusError('DeadlineExceeded', 'not finished');
    await assert.rejects(resolver.resolve(WANTED, never), { code: 'DeadlineExceeded' });
  });
});
