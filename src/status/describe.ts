import type { Realise, StatusResponse } from '../../proto/gen/messages.ts';

/** The status report as text for a person, one fact a line, ending in a newline. */
export function describeStatus(answer: StatusResponse): string {
  const { snapshots, view, nix_store: store } = answer;
  const lines = [
    `nix-snapshotter ${answer.version}, pid ${answer.pid}, on ${answer.address}`,
    `root       ${answer.root}`,
    `nix store  ${store?.real_dir ?? '?'} (${store?.uri ?? '?'}), by ${store?.backend ?? '?'} (${store?.backend_reason ?? '?'})`,
    `view       ${view?.mode ?? '?'} (${view?.reason ?? '?'})`,
    `snapshots  ${snapshots?.committed ?? 0n} committed, ${snapshots?.active ?? 0n} active, ` +
      `${snapshots?.view ?? 0n} view, ${snapshots?.degraded ?? 0n} degraded`,
    `nix layers ${answer.nix_layers}, GC roots ${answer.gc_roots}`,
    answer.realises.length === 0
      ? 'realises   none in flight'
      : `realises   ${answer.realises.length} in flight`,
    ...answer.realises.map(describeRealise),
    ...answer.problems.map((problem) => `problem    ${problem}`),
  ];
  return `${lines.join('\n')}\n`;
}

function describeRealise(realise: Realise): string {
  const more = realise.paths > 1n ? ` and ${realise.paths - 1n} more` : '';
  const done = `${realise.paths_done}/${realise.paths_total} paths, ${realise.bytes_done}/${realise.bytes_total} bytes`;
  const from = realise.substituters.length === 0 ? '' : ` from ${realise.substituters.join(', ')}`;
  return `           ${realise.closure}${more}: ${String(realise.state).toLowerCase()}, ${done}${from}, ${realise.waiters} waiting`;
}
