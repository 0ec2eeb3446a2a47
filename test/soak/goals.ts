import { RUN_BESIDE } from './slow-realise.ts';
import type { SoakResult } from './soak.ts';

const MAX_RESIDENT_MIB = 150;
/** Below 120 MiB the daemon leaves it to V8 when garbage is collected: a young generation of 32 MiB, and fragments. */
const RESIDENT_GROWTH_MIB = 35;
/** Two connections to Nix may be kept: a process with three pipes each. */
const DESCRIPTORS = 6;
/** Threads that node starts when it first needs them. */
const THREADS = 4;
/** A container of an image that is ready, on a machine that is busy, in milliseconds. */
const BESIDE_MS = 60_000;

/** One line of what a soak must show. */
export interface Verdict {
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

/** Says of each goal whether it is met. */
export function judge(result: SoakResult): readonly Verdict[] {
  const { process, before, after, failures, operations } = result;
  const grown = process.after.residentMiB - process.before.residentMiB;
  const beside = operations.find(({ name }) => name === RUN_BESIDE);
  const done = operations.reduce((sum, { count }) => sum + count, 0);
  const left = Object.entries(after).filter(([name, count]) => count !== before[name]);
  return [
    {
      goal: 'operations that failed: 0',
      measured: `${failures.length} of ${done}`,
      met: failures.length === 0 && done > 0,
    },
    {
      goal: `resident memory below ${MAX_RESIDENT_MIB} MiB all the time`,
      measured: `${process.peakMiB.toFixed(1)} MiB`,
      met: process.peakMiB < MAX_RESIDENT_MIB,
    },
    {
      goal: `resident memory at rest grown by ${RESIDENT_GROWTH_MIB} MiB at most`,
      measured: `${grown.toFixed(1)} MiB`,
      met: grown <= RESIDENT_GROWTH_MIB,
    },
    more(
      'file descriptors of the daemon',
      DESCRIPTORS,
      process.before.descriptors,
      process.after.descriptors,
    ),
    more('threads of the daemon', THREADS, process.before.threads, process.after.threads),
    {
      goal: 'everything else that is counted is as before',
      measured:
        left.length === 0
          ? 'yes'
          : left.map(([name, count]) => `${name}: ${before[name]} → ${count}`).join('; '),
      met: left.length === 0,
    },
    {
      goal: `a container beside a realise that does not end: below ${BESIDE_MS / 1000} s`,
      measured:
        beside === undefined
          ? 'none was run'
          : `${(beside.longest / 1000).toFixed(2)} s at most, of ${beside.count}`,
      met: beside !== undefined && beside.longest < BESIDE_MS,
    },
  ];
}

function more(what: string, allowed: number, before: number, after: number): Verdict {
  return {
    goal: `${what}: ${allowed} more at most`,
    measured: `${before} → ${after}`,
    met: after - before <= allowed,
  };
}
