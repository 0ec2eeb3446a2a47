import type { RpcRecord } from '../rpc/handler.ts';
import { StatusError } from '../errors.ts';
import type { CollectionSeen } from '../nix/keep-realised.ts';
import type { RealiseEnd, RealiseObserver } from '../nix/realise-observer.ts';
import type { ProblemId } from '../problems/definitions.ts';
import { ProblemError } from '../problems/problem.ts';
import type { PolicyRefusal } from '../policy/refusal.ts';
import type { ResolverRequest } from '../resolver/requests.ts';
import type { Repaired } from '../snapshot/repaired.ts';
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

/** Shown from the start, as the causes are. */
const DOORS = ['resolver', 'image-service', 'snapshots'] as const satisfies readonly PolicyRefusal['door'][];
const REFUSED_BY = [
  'rule',
  'default',
  'max_image_bytes',
  'max_node_bytes',
  'min_free_bytes',
] as const satisfies readonly PolicyRefusal['by'][];
const REQUESTS = ['manifest', 'blob', 'other'] as const satisfies readonly ResolverRequest['kind'][];
const REPAIRED = [
  { by: 'reconcile', what: 'metadata' },
  { by: 'reconcile', what: 'directory' },
  { by: 'reconcile', what: 'gc-root' },
  { by: 'reconcile', what: 'view' },
  { by: 'doctor', what: 'containerd' },
  { by: 'doctor', what: 'snapshot' },
  { by: 'doctor', what: 'directory' },
  { by: 'doctor', what: 'gc-root' },
] as const satisfies readonly Pick<Repaired, 'by' | 'what'>[];

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
  readonly #refusals = new Counter(METRICS.policyRefusals);
  readonly #requests = new Counter(METRICS.resolverRequests);
  readonly #repairs = new Counter(METRICS.repairs);
  readonly #hosts = new SubstituterHosts();

  constructor() {
    for (const cause of CAUSES) this.#failures.add(0, { cause });
    for (const door of DOORS) for (const by of REFUSED_BY) this.#refusals.add(0, { door, by });
    for (const kind of REQUESTS) this.#requests.add(0, { kind, code: '200' });
    for (const repair of REPAIRED) this.#repairs.add(0, repair);
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

  /** The policy refused something. */
  refusal({ door, by }: PolicyRefusal): void {
    this.#refusals.add(1, { door, by });
  }

  /** A request to the resolver has ended. */
  request({ kind, code }: ResolverRequest): void {
    this.#requests.add(1, { kind, code });
  }

  /** Something was repaired. */
  repaired({ by, what, count }: Repaired): void {
    this.#repairs.add(count, { by, what });
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
      this.#refusals,
      this.#requests,
      this.#repairs,
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
