import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { type Log, silentLog } from '../../../src/log.ts';
import { ViewChoice, type ViewChoiceOptions } from '../../../src/view/choice.ts';

function choice(
  configured: ViewChoiceOptions['configured'],
  cannotOverlay?: string,
  log: Log = silentLog,
): ViewChoice {
  return new ViewChoice({ configured, cannotOverlay }, { log });
}

describe('ViewChoice', () => {
  it('takes overlay unless told otherwise', () => {
    assert.deepEqual(choice('auto').describe(), { mode: 'overlay', reason: 'default' });
    assert.deepEqual(choice('binds').describe(), { mode: 'binds', reason: 'configured' });
    assert.deepEqual(choice('store').describe(), { mode: 'store', reason: 'configured' });
  });

  it('takes binds for good where the process cannot make overlay views, and says why', () => {
    assert.deepEqual(choice('auto', 'no trusted attributes').describe(), {
      mode: 'binds',
      reason: 'no overlay view: no trusted attributes',
    });
  });

  it('takes binds for a while after a view could not be made, then tries again and still tells', () => {
    const now = mock.method(performance, 'now', () => 0);
    try {
      const tried = choice('auto');
      tried.refused('no space');
      assert.deepEqual(tried.describe(), { mode: 'binds', reason: 'no overlay view: no space' });
      now.mock.mockImplementation(() => 60_001);
      assert.deepEqual(tried.describe(), { mode: 'overlay', reason: 'default; it failed before: no space' });
    } finally {
      now.mock.restore();
    }
  });

  it('tells who makes the views when it is another process', () => {
    const maker = 'the view helper on /run/h.sock';
    const tried = new ViewChoice({ configured: 'auto', cannotOverlay: undefined, maker }, { log: silentLog });
    assert.equal(tried.describe().reason, 'default, made by the view helper on /run/h.sock');
    tried.refused('it is gone');
    assert.deepEqual(tried.describe(), { mode: 'binds', reason: 'no overlay view: it is gone' });
  });

  it('goes on with overlay when one snapshot cannot have it, and tells', () => {
    const tried = choice('auto');
    tried.refusedOne('too many layers');
    assert.deepEqual(tried.describe(), {
      mode: 'overlay',
      reason: 'default; it failed before: too many layers',
    });
    tried.refused('no space');
    tried.refusedOne('too many layers');
    assert.deepEqual(tried.describe(), { mode: 'binds', reason: 'no overlay view: no space' });
  });

  it('logs a reason once', () => {
    const warn = mock.fn();
    const tried = choice('auto', undefined, { ...silentLog, warn });
    tried.refused('one');
    tried.refused('one');
    tried.refused('two');
    assert.deepEqual(
      warn.mock.calls.map(({ arguments: [fields] }) => fields as unknown),
      [{ reason: 'one' }, { reason: 'two' }],
    );
  });

  it('falls back from nothing that the operator chose', () => {
    const chosen = choice('overlay', 'a user namespace');
    chosen.refused('no space');
    assert.equal(chosen.current, 'overlay');
    assert.equal(chosen.mayFallBack, false);
    assert.equal(choice('auto').mayFallBack, true);
  });
});
