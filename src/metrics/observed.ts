import type { RpcRecord } from '../rpc/handler.ts';
import { StatusError } from '../errors.ts';
import type { CollectionSeen } from '../nix/keep-realised.ts';
import type { RealiseEnd, RealiseObserver } from '../nix/realise-observer.ts';
import type { ProblemId } from '../problems/definitions.ts';
import { ProblemError } from '../problems/problem.ts';
import { METRICS } from './definitions.ts';
import { Counter, type Family, Histogram } from './samples.ts';
import { SubstituterHosts } from './substituter-hosts.ts';

/** What is not over until its caller goes, so that its duration says nothing. */
const ENDLESS: ReadonlySet<string> = new Set(['/grpc.health.v1.Health/Watch']);

/** What realises fail of: shown from the start, so that the first failure is an increase. */
const CAUSES: readonly ProblemId[] = [
  'absent',
  'bad-signature',
  'cache-down',
  'damaged-archive',
  'disk-full',
  'login',
  'nix-daemon-down',
  'no-cache',
  'stale-miss',
  'store-read-only',
  'unsigned',
];

/** Metrics of what happens: told of each event, which costs a look-up. */
export class ObservedMetrics {
  readonly #rpc = new Histogram(METRICS.rpcSeconds);
  readonly #realises = new Histogram(METRICS.realiseSeconds);
  readonly #failures = new Counter(METRICS.realiseFailures);
  readonly #queued = new Histogram(METRICS.queueSeconds);
  readonly #bytes = new Counter(METRICS.fetchedBytes);
  readonly #paths = new Counter(METRICS.fetchedPaths);
  readonly #collections = new Counter(METRICS.collections);
  readonly #collectionSeconds = new Counter(METRICS.collectionSeconds);
  readonly #hosts = new SubstituterHosts();

  constructor() {
    for (const cause of CAUSES) this.#failures.add(0, { cause });
  }

  /** A call that has ended. */
  rpc({ method, code, milliseconds }: RpcRecord): void {
    if (ENDLESS.has(method)) return;
    const [, service = '', name = ''] = method.split('/');
    this.#rpc.observe(milliseconds / 1000, { service, method: name, code });
  }

  /** Told of a queue of realises, or of builds. */
  observer(kind: 'realise' | 'build'): RealiseObserver {
    return {
      began: (queuedMs) => this.#queued.observe(queuedMs / 1000, {}),
      received: (substituter, bytes, paths) => {
        const source = this.#hosts.labelOf(substituter);
        this.#bytes.add(bytes, { source });
        this.#paths.add(paths, { source });
      },
      ended: (end) => this.#ended(kind, end),
    };
  }

  /** A garbage collection ran while a closure was being rooted. */
  collection({ milliseconds, hasEnded }: CollectionSeen): void {
    this.#collections.add(1, { waited: hasEnded ? 'to-end' : 'in-vain' });
    this.#collectionSeconds.add(milliseconds / 1000, {});
  }

  families(): readonly Family[] {
    return [
      this.#rpc,
      this.#realises,
      this.#failures,
      this.#queued,
      this.#bytes,
      this.#paths,
      this.#collections,
      this.#collectionSeconds,
    ].map((metric) => metric.family());
  }

  #ended(kind: 'realise' | 'build', { milliseconds, error, asked }: RealiseEnd): void {
    const source = kind === 'build' ? 'build' : asked > 0 ? 'substituter' : 'local';
    const isStopped = error instanceof StatusError && error.code === 'Cancelled';
    const outcome = error === undefined ? 'ok' : isStopped ? 'stopped' : 'failed';
    this.#realises.observe(milliseconds / 1000, { source, outcome });
    if (outcome === 'failed') this.#failures.add(1, { cause: causeOf(error) });
  }
}

/** A problem of `docs/troubleshooting.md`, or the code of what is none of those. */
function causeOf(error: unknown): string {
  if (error instanceof ProblemError) return error.problem;
  return error instanceof StatusError ? error.code : 'Unknown';
}
