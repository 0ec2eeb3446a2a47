import type { Realise, StatusResponse } from '../../proto/gen/messages.ts';

/**
 * The status report as text for a person, one fact a line, ending in a newline.
 *
 * @param now milliseconds since 1970; the speed of a realise is its average since it was asked for.
 */
export function describeStatus(answer: StatusResponse, now = Date.now()): string {
  const { snapshots, view, nix_store: store } = answer;
  const retired = answer.retired_gc_roots ?? 0n;
  const kept = retired === 0n ? '' : `, and ${retired} of what was removed`;
  const lines = [
    `nix-snapshotter ${answer.version}, pid ${answer.pid}, on ${answer.address}`,
    `root       ${answer.root}`,
    `nix store  ${store?.real_dir ?? '?'} (${store?.uri ?? '?'}), by ${store?.backend ?? '?'} (${store?.backend_reason ?? '?'})`,
    `view       ${view?.mode ?? '?'} (${view?.reason ?? '?'})`,
    `snapshots  ${snapshots?.committed ?? 0n} committed, ${snapshots?.active ?? 0n} active, ` +
      `${snapshots?.view ?? 0n} view, ${snapshots?.degraded ?? 0n} degraded`,
    `nix layers ${answer.nix_layers}, GC roots ${answer.gc_roots}${kept}`,
    answer.realises.length === 0
      ? 'realises   none in flight'
      : `realises   ${answer.realises.length} in flight`,
    ...answer.realises.map((realise) => describeRealise(realise, now)),
    ...answer.problems.map((problem) => `problem    ${problem}`),
  ];
  return `${lines.join('\n')}\n`;
}

function describeRealise(realise: Realise, now: number): string {
  const more = realise.paths > 1n ? ` and ${realise.paths - 1n} more` : '';
  const mib = (bytes: number | bigint): string => (Number(bytes) / 1024 / 1024).toFixed(1);
  const seconds = Math.max(0, now - millisecondsOf(realise.started_at)) / 1000;
  const speed = seconds === 0 ? 0 : Number(realise.bytes_done) / seconds;
  const done =
    `${realise.paths_done}/${realise.paths_total} paths, ` +
    `${mib(realise.bytes_done)}/${mib(realise.bytes_total)} MiB at ${mib(speed)} MiB/s`;
  const from = realise.substituters.length === 0 ? '' : ` from ${realise.substituters.join(', ')}`;
  const state = String(realise.state).toLowerCase();
  return `           ${realise.closure}${more}: ${state} for ${seconds.toFixed(0)} s, ${done}${from}, ${realise.waiters} waiting`;
}

function millisecondsOf(time: Realise['started_at']): number {
  return time === null || time === undefined ? 0 : Number(time.seconds) * 1000 + time.nanos / 1e6;
}
