import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatusResponse } from '../../../proto/gen/messages.ts';
import { describeStatus } from '../../../src/status/describe.ts';

const CLOSURE = `/nix/store/${'a'.repeat(32)}-closure-info`;
const MIB = 1024n * 1024n;

function answer(): StatusResponse {
  return {
    version: '1',
    started_at: null,
    pid: 7n,
    root: '/root',
    address: '/run/x.sock',
    nix_store: null,
    view: null,
    snapshots: null,
    nix_layers: 2n,
    gc_roots: 1n,
    retired_gc_roots: 0n,
    realises: [
      {
        closure: CLOSURE,
        paths: 3n,
        paths_done: 4n,
        paths_total: 40n,
        bytes_done: 30n * MIB,
        bytes_total: 120n * MIB,
        substituters: ['https://cache.example'],
        started_at: { seconds: 100n, nanos: 0 },
        waiters: 2n,
        state: 'RUNNING',
      },
    ],
    problems: ['one'],
  } as unknown as StatusResponse;
}

describe('a status report', () => {
  it('tells of a realise how far it is, how quick, from where, and who waits', () => {
    const lines = describeStatus(answer(), 110_000).split('\n');
    assert.ok(
      lines.includes(
        `           ${CLOSURE} and 2 more: running for 10 s, 4/40 paths, 30.0/120.0 MiB at 3.0 MiB/s ` +
          'from https://cache.example, 2 waiting',
      ),
      lines.join('\n'),
    );
    assert.ok(lines.includes('problem    one'));
  });

  it('counts apart the GC roots that are only kept for the grace period', () => {
    assert.match(describeStatus(answer()), /^nix layers 2, GC roots 1$/m);
    const kept = { ...answer(), retired_gc_roots: 3n };
    assert.match(describeStatus(kept), /^nix layers 2, GC roots 1, and 3 of what was removed$/m);
  });

  it('has no speed in its first moment', () => {
    assert.match(describeStatus(answer(), 100_000), /running for 0 s, .* at 0\.0 MiB\/s/);
  });
});
