/** What a family of samples is; `info` is a constant 1 whose labels say something (OpenMetrics 1.0, "Info"). */
export type MetricType = 'counter' | 'gauge' | 'histogram' | 'info';

export interface MetricDefinition<Label extends string = string> {
  /** With the suffix that the convention asks for: `_total` of a counter, `_info`, the unit. */
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
  /** Of a histogram: upper bounds, ascending. */
  readonly buckets?: readonly number[];
}

/** A call to a snapshotter takes about a millisecond; one that waits for Nix takes minutes. */
const RPC_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 300];
/** A closure that is there takes milliseconds, a big one by a slow line an hour. */
const REALISE_SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const QUEUE_SECONDS = [0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];
const PATHS = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

function define<const Label extends string = never>(
  type: MetricType,
  name: string,
  help: string,
  { labels = [], buckets }: { labels?: readonly Label[]; buckets?: readonly number[] } = {},
): MetricDefinition<Label> {
  return { type, name, help, labels, ...(buckets === undefined ? {} : { buckets }) };
}

/**
 * Every metric that the daemon has; docs/metrics.md says the same in a table. No label takes a value from an image: store paths,
 * names and keys are never among them, so that nobody who can name an image can make time series.
 */
export const METRICS = {
  build: define('info', 'nix_snapshotter_build_info', 'The program and what it runs on.', {
    labels: ['version', 'node_version'],
  }),
  view: define(
    'gauge',
    'nix_snapshotter_view_mode',
    'How new snapshots show closures: 1 for the mode in use.',
    {
      labels: ['mode'],
    },
  ),
  backend: define(
    'gauge',
    'nix_snapshotter_nix_backend',
    'How the Nix store is reached: 1 for the way in use.',
    {
      labels: ['backend'],
    },
  ),
  ready: define('gauge', 'nix_snapshotter_ready', 'Whether Nix answered when it was last asked.'),
  problems: define(
    'gauge',
    'nix_snapshotter_reconcile_problems',
    'What the last start found and could not repair.',
  ),
  rpcSeconds: define('histogram', 'nix_snapshotter_rpc_duration_seconds', 'Duration of gRPC calls.', {
    labels: ['service', 'method', 'code'],
    buckets: RPC_SECONDS,
  }),
  realiseSeconds: define(
    'histogram',
    'nix_snapshotter_realise_duration_seconds',
    'Duration of realises and builds, without their time in the queue.',
    { labels: ['source', 'outcome'], buckets: REALISE_SECONDS },
  ),
  realiseFailures: define(
    'counter',
    'nix_snapshotter_realise_failures_total',
    'Realises and builds that failed, by cause.',
    { labels: ['cause'] },
  ),
  queueSeconds: define(
    'histogram',
    'nix_snapshotter_realise_queue_seconds',
    'How long realises and builds waited in the queue before they ran.',
    { buckets: QUEUE_SECONDS },
  ),
  realises: define('gauge', 'nix_snapshotter_realises', 'Realises and builds that run or wait now.', {
    labels: ['state'],
  }),
  waiters: define(
    'gauge',
    'nix_snapshotter_realise_waiters',
    'Calls that wait for a realise or a build now.',
  ),
  fetchedBytes: define(
    'counter',
    'nix_snapshotter_fetched_bytes_total',
    'Bytes of store paths that were fetched, unpacked (NAR size), by host of the substituter.',
    { labels: ['source'] },
  ),
  fetchedPaths: define(
    'counter',
    'nix_snapshotter_fetched_paths_total',
    'Store paths that were fetched, by host of the substituter.',
    { labels: ['source'] },
  ),
  collections: define(
    'counter',
    'nix_snapshotter_collections_seen_total',
    'Garbage collections of Nix that ran while a closure was being rooted.',
    { labels: ['waited'] },
  ),
  collectionSeconds: define(
    'counter',
    'nix_snapshotter_collection_wait_seconds_total',
    'Time that realises waited for the end of a garbage collection.',
  ),
  policyRefusals: define(
    'counter',
    'nix_snapshotter_policy_refusals_total',
    'What the policy refused, by where it was asked for and by what refused it.',
    { labels: ['door', 'by'] },
  ),
  resolverRequests: define(
    'counter',
    'nix_snapshotter_resolver_requests_total',
    'HTTP requests to the resolver that have ended.',
    { labels: ['kind', 'code'] },
  ),
  repairs: define(
    'counter',
    'nix_snapshotter_repairs_total',
    'What reconcile and "doctor --repair" repaired.',
    { labels: ['by', 'what'] },
  ),
  snapshots: define('gauge', 'nix_snapshotter_snapshots', 'Snapshots by kind.', { labels: ['kind'] }),
  degraded: define('gauge', 'nix_snapshotter_snapshots_degraded', 'Snapshots whose record cannot be read.'),
  containers: define(
    'gauge',
    'nix_snapshotter_containers',
    'Root file systems of containers, by what their image is made of.',
    { labels: ['image'] },
  ),
  shown: define(
    'gauge',
    'nix_snapshotter_containers_shown',
    'Root file systems of containers on Nix images, by the view that shows their closures.',
    { labels: ['view'] },
  ),
  layers: define('gauge', 'nix_snapshotter_nix_layers', 'Snapshots that name a closure.'),
  closures: define('gauge', 'nix_snapshotter_closures', 'Different closures that snapshots name.'),
  closurePaths: define(
    'histogram',
    'nix_snapshotter_closure_paths',
    'Store paths in a closure, each closure once in a run of the daemon.',
    { buckets: PATHS },
  ),
  roots: define('gauge', 'nix_snapshotter_gc_roots', 'GC roots that the daemon holds.', { labels: ['kind'] }),
  mounts: define('gauge', 'nix_snapshotter_view_mounts', 'Mounts of views, those for user namespaces too.'),
  free: define(
    'gauge',
    'nix_snapshotter_filesystem_free_bytes',
    'Bytes that an ordinary user may still write on the file system of the store, or of the root.',
    { labels: ['directory'] },
  ),
  size: define('gauge', 'nix_snapshotter_filesystem_size_bytes', 'Size of that file system.', {
    labels: ['directory'],
  }),
  cpu: define('counter', 'process_cpu_seconds_total', 'Processor time of the daemon.'),
  rss: define('gauge', 'process_resident_memory_bytes', 'Resident memory of the daemon.'),
  heap: define('gauge', 'nodejs_heap_size_used_bytes', "Memory in use on JavaScript's heap."),
  fds: define('gauge', 'process_open_fds', 'Open file descriptors of the daemon.'),
  maxFds: define('gauge', 'process_max_fds', 'How many file descriptors the daemon may open.'),
  started: define('gauge', 'process_start_time_seconds', 'When the daemon was started, in Unix time.'),
  lagP99: define(
    'gauge',
    'nodejs_eventloop_lag_p99_seconds',
    'How late the event loop was since the last scrape: 99 of 100 times less.',
  ),
  lagMax: define(
    'gauge',
    'nodejs_eventloop_lag_max_seconds',
    'How late the event loop was at most since the last scrape.',
  ),
} as const;
