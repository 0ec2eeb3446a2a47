import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StorePath } from '../../../../src/closure/store-path.ts';
import { type StatusCode, StatusError } from '../../../../src/errors.ts';
import { silentLog } from '../../../../src/log.ts';
import { implement } from '../../../../src/rpc/implementation.ts';
import { createRpcServer, type RpcServer } from '../../../../src/rpc/server.ts';
import { viewHelper } from '../../../../src/rpc/view-helper-proto.ts';
import { viewKey } from '../../../../src/view/overlay/fingerprint.ts';
import type { HelpedViews } from '../../../../src/view/overlay/helped-views.ts';
import { openHelpedViews } from '../../../../src/view/overlay/open-helped-views.ts';

const NAME = '0123456789abcdfghijklmnpqrsvwxyz-a';
const closure = { kind: 'paths', paths: [`/nix/store/${NAME}` as StorePath] } as const;

describe('HelpedViews', () => {
  let dir: string;
  let store: string;
  let address: string;
  let server: RpcServer | undefined;
  let views: HelpedViews;
  /** What the helper was asked for, and which of its calls are open. */
  let asked: readonly string[][];
  let open: number;
  let root: string;
  /** The code that requests are refused with; undefined for none. */
  let refusal: StatusCode | undefined;
  let stop: AbortController;

  const listen = async () => {
    stop = new AbortController();
    const { signal: stopping } = stop;
    server = createRpcServer({
      services: [
        implement(viewHelper, {
          async *Hold({ store_paths: paths }, { signal }) {
            asked = [...asked, [...paths]];
            if (refusal !== undefined) throw new StatusError(refusal, 'no room');
            open += 1;
            try {
              yield { root, metadata: 'm' };
              await once(AbortSignal.any([signal, stopping]), 'abort');
            } finally {
              open -= 1;
            }
          },
        }),
      ],
      log: silentLog,
    });
    await server.listen({ path: address });
  };
  const unlisten = async () => {
    stop.abort();
    await server?.close({ drainMs: 100 });
    server = undefined;
  };
  const show = async () => await views.show(closure, async () => closure.paths);
  const until = async (holds: () => boolean) => {
    for (let turn = 0; turn < 2000 && !holds(); turn += 1) await new Promise((tick) => setTimeout(tick, 1));
    assert.ok(holds(), holds.toString());
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'helped-'));
    store = join(dir, 'store');
    root = join(dir, 'view/root');
    await mkdir(join(store, NAME), { recursive: true });
    // A change long ago: the store counts as unchanged then.
    await utimes(store, 1, 1);
    await mkdir(root, { recursive: true });
    address = join(dir, 'helper.sock');
    asked = [];
    open = 0;
    refusal = undefined;
    const deps = { realStoreDir: async () => store, log: silentLog };
    views = openHelpedViews({ address, cover: join(dir, 'cover') }, deps);
    await listen();
  });
  afterEach(async () => {
    views[Symbol.dispose]();
    await unlisten();
    await rm(dir, { recursive: true });
  });

  it('asks once, holds the call, and ends it with the last user', async () => {
    const shown = await show();
    assert.ok('root' in shown);
    assert.equal(shown.root, root);
    await show();
    assert.deepEqual(asked, [[closure.paths[0]]]);
    await views.collect(() => new Set([viewKey(closure)]));
    assert.equal(open, 1);
    await views.collect(() => new Set());
    await until(() => open === 0);
    await show();
    assert.equal(asked.length, 2);
  });

  it('lays directories of its own above the store paths', async () => {
    const shown = await show();
    assert.ok('cover' in shown && shown.cover !== undefined);
    const { mode, mtimeMs } = await stat(join(shown.cover, 'nix/store'));
    assert.deepEqual([mode & 0o7777, mtimeMs], [0o755, 1000]);
  });

  it('asks again when a path was made anew, and lets the old view go then', async () => {
    await show();
    await rm(join(store, NAME), { recursive: true });
    await writeFile(join(store, NAME), 'now a file');
    await show();
    assert.equal(asked.length, 2);
    await until(() => open === 1);
  });

  it('asks again, at once, after the helper was started anew', async () => {
    await show();
    await unlisten();
    await until(() => open === 0);
    const away = await show();
    assert.ok('refused' in away);
    assert.match(away.refused, /^view helper .*helper\.sock: .*; start it/s);
    assert.equal(away.onlyThis, false);
    await listen();
    assert.ok('root' in (await show()));
    assert.equal(open, 1);
  });

  it('tells missing paths before it asks, and why it is refused', async () => {
    await rm(join(store, NAME), { recursive: true });
    assert.deepEqual(await show(), { missing: closure.paths });
    assert.deepEqual(asked, []);
    await mkdir(join(store, NAME));
    refusal = 'ResourceExhausted';
    assert.deepEqual(await show(), { refused: `view helper ${address}: no room`, onlyThis: true });
  });

  it('tells what is about one request from what is about the helper', async () => {
    const answers: ReadonlyMap<StatusCode, boolean> = new Map([
      ['InvalidArgument', true],
      ['FailedPrecondition', true],
      ['DeadlineExceeded', false],
      ['Internal', false],
    ]);
    for (const [code, onlyThis] of answers) {
      refusal = code;
      assert.deepEqual(await show(), { refused: `view helper ${address}: no room`, onlyThis });
    }
  });

  it('does not take a view that cannot be seen here', async () => {
    await rm(root, { recursive: true });
    const shown = await show();
    assert.ok('refused' in shown);
    assert.match(shown.refused, /is not seen in this mount namespace; start the helper before RootlessKit/);
    assert.equal(shown.onlyThis, false);
    await until(() => open === 0);
  });

  it('says so where its own directories cannot be made', async () => {
    await writeFile(join(dir, 'cover'), 'in the way');
    await chmod(join(dir, 'cover'), 0o600);
    const shown = await show();
    assert.ok('refused' in shown);
    assert.match(shown.refused, /ENOTDIR|EEXIST/);
    assert.deepEqual(asked, []);
  });
});
