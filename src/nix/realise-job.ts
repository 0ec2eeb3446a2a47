import type { StorePath } from '../closure/store-path.ts';
import { problemText } from '../problems/problem.ts';
import { SpeedMeter } from './speed-meter.ts';
import type { RealiseProgress } from './store.ts';
import { withoutCredentials } from './substituter-answers.ts';

/** A realise that is queued or runs, as `status` shows it. */
export interface RealiseInFlight {
  /** Or what is evaluated: a flake. */
  readonly paths: readonly string[];
  readonly state: 'queued' | 'running';
  readonly progress: RealiseProgress;
  /** When it was asked for: milliseconds since 1970. */
  readonly startedAt: number;
  /** When it left the queue; undefined while it is queued. */
  readonly runningSince: number | undefined;
  /** What is fetched now, in bytes a second. */
  readonly speed: number;
  /** Callers that wait for it now. */
  readonly waiters: number;
}

export const NOTHING_YET: RealiseProgress = {
  pathsDone: 0,
  pathsTotal: 0,
  bytesDone: 0,
  bytesTotal: 0,
  substituters: [],
};

/** The one realise of a closure that any number of callers share. */
export class RealiseJob {
  readonly key: string;
  readonly paths: readonly StorePath[];
  /** The root that the job makes: the first caller's. */
  readonly root: string;
  readonly startedAt: number;
  /** By the clock of {@link performance}. */
  readonly queuedAt = performance.now();
  readonly controller = new AbortController();
  runningSince: number | undefined;
  progress = NOTHING_YET;
  readonly #meter = new SpeedMeter(performance.now());
  waiters = 0;
  /** Waiting callers that {@link root} belongs to. */
  rootOwners = 0;
  /** The root was kept for an earlier try, and must be kept on when this one fails. */
  readonly rootKept: boolean;
  /** When it had its turn, on the clock of `performance.now()`. */
  begunAt: number | undefined;
  /** It has much to fetch. */
  isLong = false;
  /** Nobody has asked for it but the daemon itself. */
  isBackground = true;
  done: Promise<void> = Promise.resolve();

  constructor(key: string, paths: readonly StorePath[], root: string, startedAt: number, rootKept: boolean) {
    this.key = key;
    this.paths = paths;
    this.root = root;
    this.startedAt = startedAt;
    this.rootKept = rootKept;
  }

  get state(): RealiseInFlight['state'] {
    return this.runningSince === undefined ? 'queued' : 'running';
  }

  /** It has come so far. */
  reached(progress: RealiseProgress): void {
    this.progress = progress;
    this.#meter.reached(progress.bytesDone, performance.now());
  }

  /** The job as it is now. */
  snapshot(): RealiseInFlight {
    const { paths, state, progress, startedAt, runningSince, waiters } = this;
    const speed = this.#meter.speed(performance.now());
    return { paths, state, progress, startedAt, runningSince, speed, waiters };
  }
}

/** One key for a set of paths, whatever their order. */
export function closureKey(paths: readonly StorePath[]): string {
  return [...new Set(paths)].toSorted().join('\n');
}

/** Why a job's caller has to come again, and how far it is. */
export function describeUnfinished(
  job: Pick<RealiseInFlight, 'paths' | 'startedAt' | 'state' | 'progress'>,
): string {
  const path = job.paths[0] ?? '(no path)';
  const seconds = String(Math.round((Date.now() - job.startedAt) / 1000));
  if (job.state === 'queued') return problemText('queued', { path, seconds });
  const { substituters } = job.progress;
  const cache =
    substituters.length === 0 ? 'that Nix asks' : substituters.map(withoutCredentials).join(' or ');
  return problemText('cache-slow', { path, seconds, cache, progress: progressOf(job) });
}

function progressOf({
  progress: { pathsDone, pathsTotal, bytesDone, bytesTotal },
}: Pick<RealiseInFlight, 'progress'>): string {
  if (pathsTotal === 0) return 'nothing';
  const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
  return `${pathsDone} of ${pathsTotal} paths, ${mib(bytesDone)} of ${mib(bytesTotal)} MiB`;
}
