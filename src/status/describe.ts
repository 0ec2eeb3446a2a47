import type { Realise, StatusResponse } from '../../proto/gen/messages.ts';
import { cleanText } from '../printable.ts';

/**
 * The status report as text for a person, one fact a line, ending in a newline.
 *
 * @param now milliseconds since 1970.
 */
export function describeStatus(answer: StatusResponse, now = Date.now()): string {
  const { realises } = answer;
  const lines = [
    titleOf(answer),
    entry('root', answer.root),
    ...factsOf(answer).values(),
    entry('realises', realises.length === 0 ? 'none in flight' : `${realises.length} in flight`),
    ...realises.map((realise) => entry('', describeRealise(realise, now))),
    ...answer.repairs.map((repair) => entry('repaired', repair)),
    ...answer.problems.map((problem) => entry('problem', problem)),
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * What is new in a report, a line each, for who follows it in a pipe; all of it when there was none before. How long
 * something takes and how quick it is is news to nobody.
 */
export function describeNews(before: StatusResponse | undefined, answer: StatusResponse): readonly string[] {
  const old = before === undefined ? new Map<string, string>() : newsOf(before);
  const now = newsOf(answer);
  const changed = [...now].filter(([key, text]) => old.get(key) !== text).map(([, text]) => text);
  const ended = [...old.keys()].filter((key) => key.startsWith(REALISE) && !now.has(key));
  return [...changed, ...ended.map((key) => `${key}: not in flight any more`)];
}

const REALISE = 'realise ';

function newsOf(answer: StatusResponse): ReadonlyMap<string, string> {
  const news = new Map([['daemon', titleOf(answer)], ...factsOf(answer)]);
  for (const realise of answer.realises) {
    const { state, waiters } = realise;
    const name = cleanText(`${REALISE}${nameOf(realise)}`);
    const progress = `${amountOf(realise)}${sourceOf(realise)}, ${waiters} waiting`;
    news.set(name, cleanText(`${name}: ${String(state).toLowerCase()}, ${progress}`));
  }
  for (const problem of answer.problems) news.set(`problem ${problem}`, entry('problem', problem));
  return news;
}

/** What is there, by kind. */
function factsOf(answer: StatusResponse): ReadonlyMap<string, string> {
  const { snapshots, view, nix_store: store } = answer;
  const known = (value: string | undefined): string => value ?? '?';
  const count = (value: bigint | undefined): bigint => value ?? 0n;
  const { gc_roots: roots, pulled_gc_roots: pulled, retired_gc_roots: retired } = answer;
  const backend = `by ${known(store?.backend)} (${known(store?.backend_reason)})`;
  return new Map([
    ['ready', entry('ready', answer.not_ready === '' ? 'yes' : `no: ${answer.not_ready}`)],
    ['store', entry('nix store', `${known(store?.real_dir)} (${known(store?.uri)}), ${backend}`)],
    ['view', entry('view', `${known(view?.mode)} (${known(view?.reason)}), ${answer.view_mounts} mounted`)],
    [
      'snapshots',
      entry(
        'snapshots',
        `${count(snapshots?.committed)} committed, ${count(snapshots?.active)} active, ` +
          `${count(snapshots?.view)} view, ${count(snapshots?.degraded)} degraded`,
      ),
    ],
    ['closures', entry('closures', `${answer.closures}, named by ${answer.nix_layers} snapshots`)],
    ['roots', entry('GC roots', `${roots} of snapshots, ${pulled} pulled, ${retired} of what was removed`)],
  ]);
}

function titleOf({ version, pid, address }: StatusResponse): string {
  return cleanText(`nix-snapshotter ${version}, pid ${pid}, on ${address}`);
}

/** Paths and problems may have any name in them: what is shown has no terminal escapes, and one line. */
function entry(label: string, text: string): string {
  return `${label.padEnd(11)}${cleanText(text)}`;
}

function describeRealise(realise: Realise, now: number): string {
  const { state, started_at: asked, running_since: since, waiters } = realise;
  const seconds = Math.max(0, now - millisecondsOf(since ?? asked)) / 1000;
  const speed = state === 'RUNNING' ? ` at ${mib(realise.bytes_per_second)} MiB/s` : '';
  return (
    `${nameOf(realise)}: ${String(state).toLowerCase()} for ${seconds.toFixed(0)} s, ` +
    `${amountOf(realise)}${speed}${sourceOf(realise)}, ${waiters} waiting`
  );
}

function nameOf({ closure, paths }: Realise): string {
  return paths > 1n ? `${closure} and ${paths - 1n} more` : closure;
}

function amountOf(realise: Realise): string {
  const { paths_done: done, paths_total: total, bytes_done: bytes, bytes_total: bytesTotal } = realise;
  return `${done}/${total} paths, ${mib(bytes)}/${mib(bytesTotal)} MiB`;
}

function sourceOf({ substituters }: Realise): string {
  return substituters.length === 0 ? '' : ` from ${substituters.join(', ')}`;
}

function mib(bytes: bigint): string {
  return (Number(bytes) / 1024 / 1024).toFixed(1);
}

function millisecondsOf(time: Realise['started_at']): number {
  return time === null || time === undefined ? 0 : Number(time.seconds) * 1000 + time.nanos / 1e6;
}
