import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { ChainView, type ChainViewDeps } from '../../../src/snapshot/chain-view.ts';
import { Layout } from '../../../src/snapshot/layout.ts';
import { ViewChoice } from '../../../src/view/choice.ts';
import type { Shown } from '../../../src/view/overlay/closure-views.ts';

const closure = { kind: 'paths', paths: [] } as const;
const record = { id: 1, closure: { source: 'declared', closure } } as unknown as SnapshotRecord;

describe('ChainView', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'chain-view-'));
    await mkdir(new Layout(root).fs(record.id), { recursive: true });
  });
  after(async () => await rm(root, { recursive: true }));

  const viewWhere = (shown: Shown) => {
    const choice = new ViewChoice({ configured: 'auto', cannotOverlay: undefined }, { log: silentLog });
    const deps = {
      layout: new Layout(root),
      roots: { isRooted: () => true },
      closures: { pathsOf: async () => [] },
      choice,
      overlays: { show: async () => shown },
      nix: { realStoreDir: async () => root },
    } as unknown as ChainViewDeps;
    return { choice, chainView: new ChainView(deps) };
  };

  it('takes binds for a chain that can have no overlay view, and goes on with views for others', async () => {
    const { choice, chainView } = viewWhere({ refused: 'not this one', onlyThis: true });
    assert.equal((await chainView.plan([record], {})).view, 'binds');
    assert.equal(choice.current, 'overlay');
    assert.match(choice.describe().reason, /it failed before: not this one/);
  });

  it('takes binds for all for a while where no overlay view can be had', async () => {
    const { choice, chainView } = viewWhere({ refused: 'nobody there' });
    assert.equal((await chainView.plan([record], {})).view, 'binds');
    assert.equal(choice.current, 'binds');
  });

  it('does the same when a view is made before a container asks for it', async () => {
    for (const onlyThis of [true, false]) {
      const { choice, chainView } = viewWhere({ refused: 'why', onlyThis });
      await chainView.warm({
        layers: [{ id: 1, closure: { source: 'declared', closure } }],
        closure,
      } as never);
      assert.equal(choice.current, onlyThis ? 'overlay' : 'binds');
    }
  });
});
