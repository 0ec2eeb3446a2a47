import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Realise, StatusResponse } from '../../../proto/gen/messages.ts';
import { describeNews, describeStatus } from '../../../src/status/describe.ts';
import { CLOSURE, MIB, statusAnswer } from './answer.ts';

const [realise] = statusAnswer().realises;

function withRealise(changes: Partial<Realise>): StatusResponse {
  assert.ok(realise);
  return { ...statusAnswer(), realises: [{ ...realise, ...changes }] };
}

describe('a status report', () => {
  it('tells what there is, a fact a line', () => {
    assert.equal(
      describeStatus({ ...statusAnswer(), realises: [], problems: [] }),
      `nix-snapshotter 1, pid 7, on /run/x.sock
root       /root
ready      yes
nix store  /nix/store (auto), by daemon (default)
view       overlay (default), 3 mounted
snapshots  5 committed, 4 active, 2 view, 1 degraded
closures   6, named by 8 snapshots
GC roots   9 of snapshots, 10 pulled, 11 of what was removed
realises   none in flight
`,
    );
  });

  it('tells of a realise how far it is, how quick it is now, from where, and who waits', () => {
    const lines = describeStatus(statusAnswer(), 110_000).split('\n');
    assert.ok(
      lines.includes(
        `           ${CLOSURE} and 2 more: running for 10 s, 4/40 paths, 30.0/120.0 MiB at 2.5 MiB/s ` +
          'from https://cache.example, 2 waiting',
      ),
      lines.join('\n'),
    );
    assert.ok(lines.includes('problem    one'));
  });

  it('tells how long a realise waits in the queue', () => {
    const queued = withRealise({ state: 'QUEUED', running_since: null, paths: 1n });
    assert.match(
      describeStatus(queued, 110_000),
      new RegExp(`^ {11}${CLOSURE}: queued for 20 s, 4/40 paths, 30\\.0/120\\.0 MiB from`, 'm'),
    );
  });

  it('says why the daemon is not ready', () => {
    const text = describeStatus({ ...statusAnswer(), not_ready: 'Nix has not answered' });
    assert.match(text, /^ready {6}no: Nix has not answered$/m);
  });

  it('shows no terminal escapes, and no line of its own that a name makes', () => {
    const text = describeStatus({
      ...withRealise({ closure: '\u001b[2Jx', substituters: ['\u001b]0;x\u0007y'] }),
      problems: ['a\nready      no: \u001b[31m\r'],
      not_ready: '\u009b31m',
    });
    assert.doesNotMatch(text, /[^\P{Cc}\n]/u);
    assert.match(text, /^problem {4}a ready no:$/m);
  });
});

describe('the news of a status', () => {
  it('is everything at first, and nothing when nothing changed', () => {
    const first = describeNews(undefined, statusAnswer());
    assert.equal(first.length, 9);
    assert.deepEqual(describeNews(statusAnswer(), statusAnswer()), []);
  });

  it('is what changed, but not how long something takes', () => {
    const { snapshots } = statusAnswer();
    assert.ok(snapshots);
    const next = withRealise({ bytes_done: 60n * MIB, bytes_per_second: 1n });
    const changed = { ...next, snapshots: { ...snapshots, active: 5n } };
    assert.deepEqual(describeNews(statusAnswer(), changed), [
      'snapshots  5 committed, 5 active, 2 view, 1 degraded',
      `realise ${CLOSURE} and 2 more: running, 4/40 paths, 60.0/120.0 MiB from https://cache.example, 2 waiting`,
    ]);
    assert.deepEqual(describeNews(statusAnswer(), withRealise({ bytes_per_second: 1n })), []);
  });

  it('is that a realise is over', () => {
    assert.deepEqual(describeNews(statusAnswer(), { ...statusAnswer(), realises: [] }), [
      `realise ${CLOSURE} and 2 more: not in flight any more`,
    ]);
  });
});
