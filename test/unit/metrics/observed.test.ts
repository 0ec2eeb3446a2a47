import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { exposition } from '../../../src/metrics/exposition.ts';
import { ObservedMetrics } from '../../../src/metrics/observed.ts';
import { ProblemError } from '../../../src/problems/problem.ts';

describe('metrics of what happens', () => {
  const linesOf = (metrics: ObservedMetrics) => exposition(metrics.families(), 'text').split('\n');

  it('calls by service, method and code; one that lasts as long as its caller counts for nothing', () => {
    const metrics = new ObservedMetrics();
    const method = '/containerd.services.snapshots.v1.Snapshots/Prepare';
    metrics.rpc({ method, code: 'OK', milliseconds: 2 });
    metrics.rpc({ method: '/grpc.health.v1.Health/Watch', code: 'OK', milliseconds: 9_000_000 });
    const counts = linesOf(metrics).filter((line) =>
      line.startsWith('nix_snapshotter_rpc_duration_seconds_count'),
    );
    const labels = 'service="containerd.services.snapshots.v1.Snapshots",method="Prepare",code="OK"';
    assert.deepEqual(counts, [`nix_snapshotter_rpc_duration_seconds_count{${labels}} 1`]);
  });

  it('realises by source, outcome and cause', () => {
    const metrics = new ObservedMetrics();
    const queue = metrics.observer('realise');
    queue.ended({ milliseconds: 3, error: undefined, asked: 0 });
    queue.ended({ milliseconds: 3000, error: undefined, asked: 2 });
    queue.ended({ milliseconds: 3000, error: new ProblemError('cache-down', 'x'), asked: 1 });
    queue.ended({ milliseconds: 3, error: new StatusError('Cancelled', 'x'), asked: 1 });
    metrics.observer('build').ended({ milliseconds: 3, error: new Error('x'), asked: 1 });
    const lines = linesOf(metrics);
    const counts = lines.filter((line) => line.startsWith('nix_snapshotter_realise_duration_seconds_count'));
    assert.deepEqual(counts, [
      'nix_snapshotter_realise_duration_seconds_count{source="local",outcome="ok"} 1',
      'nix_snapshotter_realise_duration_seconds_count{source="substituter",outcome="ok"} 1',
      'nix_snapshotter_realise_duration_seconds_count{source="substituter",outcome="failed"} 1',
      'nix_snapshotter_realise_duration_seconds_count{source="substituter",outcome="stopped"} 1',
      'nix_snapshotter_realise_duration_seconds_count{source="build",outcome="failed"} 1',
    ]);
    const failures = lines.filter((line) => line.startsWith('nix_snapshotter_realise_failures_total'));
    assert.deepEqual(
      failures.filter((line) => !line.endsWith(' 0')),
      [
        'nix_snapshotter_realise_failures_total{cause="cache-down"} 1',
        'nix_snapshotter_realise_failures_total{cause="Unknown"} 1',
      ],
    );
    assert.ok(failures.includes('nix_snapshotter_realise_failures_total{cause="absent"} 0'));
  });

  it('substituters by host: no password, no path, and no more than some', () => {
    const metrics = new ObservedMetrics();
    const { received } = metrics.observer('realise');
    received('https://user:secret@cache.example:8443/a?trusted=1', 10, 1);
    received('https://cache.example:8443/b', 5, 1);
    received('file:///cache', 1, 1);
    received('daemon', 1, 1);
    received('\n{}', 1, 1);
    for (let at = 0; at < 100; at += 1) received(`http://${at}.example`, 1, 1);
    const bytes = linesOf(metrics).filter((line) => line.startsWith('nix_snapshotter_fetched_bytes_total'));
    assert.deepEqual(bytes.slice(0, 4), [
      'nix_snapshotter_fetched_bytes_total{source="cache.example:8443"} 15',
      'nix_snapshotter_fetched_bytes_total{source="file"} 1',
      'nix_snapshotter_fetched_bytes_total{source="daemon"} 1',
      'nix_snapshotter_fetched_bytes_total{source="other"} 73',
    ]);
    assert.equal(bytes.length, 32);
  });

  it('refusals, requests and repairs, with those that there were none of', () => {
    const metrics = new ObservedMetrics();
    metrics.refusal({ door: 'image-service', by: 'max_node_bytes' });
    metrics.request({ kind: 'blob', code: '206' });
    metrics.repaired({ by: 'reconcile', what: 'view', count: 3 });
    const lines = linesOf(metrics);
    const told = (name: string) => lines.filter((line) => line.startsWith(`nix_snapshotter_${name}_total{`));
    const some = (name: string) => told(name).filter((line) => !line.endsWith(' 0'));
    assert.deepEqual(some('policy_refusals'), [
      'nix_snapshotter_policy_refusals_total{door="image-service",by="max_node_bytes"} 1',
    ]);
    assert.equal(told('policy_refusals').length, 15);
    assert.deepEqual(told('resolver_requests'), [
      'nix_snapshotter_resolver_requests_total{kind="manifest",code="200"} 0',
      'nix_snapshotter_resolver_requests_total{kind="blob",code="200"} 0',
      'nix_snapshotter_resolver_requests_total{kind="other",code="200"} 0',
      'nix_snapshotter_resolver_requests_total{kind="blob",code="206"} 1',
    ]);
    assert.deepEqual(some('repairs'), ['nix_snapshotter_repairs_total{by="reconcile",what="view"} 3']);
    assert.equal(told('repairs').length, 8);
  });

  it('garbage collections that were waited for', () => {
    const metrics = new ObservedMetrics();
    metrics.collection({ milliseconds: 1500, hasEnded: true });
    metrics.collection({ milliseconds: 10_000, hasEnded: false });
    const lines = linesOf(metrics);
    assert.ok(lines.includes('nix_snapshotter_collections_seen_total{waited="to-end"} 1'));
    assert.ok(lines.includes('nix_snapshotter_collections_seen_total{waited="in-vain"} 1'));
    assert.ok(lines.includes('nix_snapshotter_collection_wait_seconds_total 11.5'));
  });
});
