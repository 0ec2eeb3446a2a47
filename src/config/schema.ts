import * as v from 'valibot';
import { parseBytes } from './bytes.ts';

/** Longest time that a timer of Node.js can wait for, in milliseconds; a longer one would end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds, written in a file as `90s`, `5m`, `1h` or `250ms`. */
const duration = v.pipe(
  v.string(),
  v.regex(/^\d+(ms|s|m|h)$/, 'a duration such as "90s", "5m" or "1h" is expected'),
  v.transform((text) => Number.parseInt(text, 10) * (UNIT_MS[text.replace(/^\d+/, '')] ?? Number.NaN)),
  v.maxValue(MAX_TIMER_MS, 'a duration of at most 24 days is expected'),
);

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Bytes, written in a file as `500MB` or `2GiB`. */
const bytes = v.pipe(
  v.string(),
  v.transform(parseBytes),
  v.number('a size such as "500MB" or "2GiB" is expected'),
);

/** One pattern or several: `*` stands for any characters. */
const patterns = v.pipe(
  v.union([pattern(), v.pipe(v.array(pattern()), v.nonEmpty('a pattern is expected'))]),
  v.transform((value) => (typeof value === 'string' ? [value] : value)),
);

function pattern() {
  return v.pipe(v.string(), v.nonEmpty('a pattern is expected'), v.maxLength(1000));
}

const absolutePath = v.pipe(v.string(), v.startsWith('/', 'an absolute path is expected'));

/** What separates lower directories and mount options cannot be part of a path in them. */
const rootPath = v.pipe(
  absolutePath,
  v.regex(/^[^:,\\]*$/, 'a path without colon, comma or backslash is expected'),
);

/** Whoever can reach it by the network could run pulls: the network is none but this host's own. */
const loopback = v.pipe(
  v.string(),
  v.regex(
    /^(127(\.\d{1,3}){3}|\[::1\]):\d{1,5}$/,
    'a loopback address with a port is expected, such as "127.0.0.1:7373"',
  ),
  v.transform(hostAndPort),
  v.check(({ port }) => port <= 65_535, 'a port of at most 65535 is expected'),
);

/** Whoever reaches it may read figures, and no more: another host's Prometheus may. */
const metricsEndpoint = v.union(
  [
    v.pipe(
      absolutePath,
      v.transform((path) => ({ path })),
    ),
    v.pipe(
      v.string(),
      v.regex(/^(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z.-]+):\d{1,5}$/),
      v.transform(hostAndPort),
      v.check(({ port }) => port <= 65_535),
    ),
  ],
  'an address with a port is expected, such as "127.0.0.1:9474", or the absolute path of a unix socket',
);

/** The configuration file; every key has a default. Documented in docs/configuration.md. */
export const configSchema = v.strictObject({
  /** Unix socket of the gRPC services. */
  address: v.optional(absolutePath, '/run/nix-snapshotter/nix-snapshotter.sock'),
  /** Directory of metadata, snapshots and GC roots. */
  root: v.optional(rootPath, '/var/lib/containerd/io.containerd.snapshotter.v1.nix'),
  /**
   * How closures are shown in containers: by one overlay mount a closure, by one bind a store path, or the whole store. `auto` is
   * overlay where that works, else binds.
   */
  view: v.optional(v.picklist(['auto', 'overlay', 'binds', 'store']), 'auto'),
  /** Learn the closure of a layer whose annotations a client dropped from the layer's mount points. */
  recover: v.optional(v.picklist(['auto', 'off']), 'auto'),
  nix: v.optional(
    v.strictObject({
      /** Store URI as Nix takes it; `auto` asks Nix. */
      store: v.optional(v.pipe(v.string(), v.nonEmpty('a store is expected, such as "auto"')), 'auto'),
      /**
       * How the store is reached: the worker protocol of Nix's daemon, on its socket or with a child of ours; one `nix-store` for
       * each call; or the first while it works.
       */
      backend: v.optional(v.picklist(['auto', 'daemon', 'nix-store']), 'auto'),
      /** The program that realises; the other programs of Nix are taken from beside it. */
      nix_store: v.optional(v.pipe(v.string(), v.nonEmpty('a program is expected')), 'nix-store'),
      /** Substituters to use instead of those in nix.conf. */
      substituters: v.optional(v.array(v.string())),
      /**
       * How many realises fetch at once, and how many beside them that have much to fetch or take long; each is a process of Nix.
       */
      concurrency: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)), 4),
      /** How many callers may wait for realises; more are refused. */
      max_waiting: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)), 1000),
    }),
    {},
  ),
  view_helper: v.optional(
    v.strictObject({
      /**
       * Socket of the service that makes views for a rootless daemon: `auto` is the user's own one, where there is one; `off`
       * asks none.
       */
      address: v.optional(v.union([v.picklist(['auto', 'off']), absolutePath]), 'auto'),
      /** Where that service keeps views and their GC roots, in a directory for each user. */
      root: v.optional(rootPath, '/var/lib/nix-snapshotter-view-helper'),
      /** Views of one user at a time. */
      max_views: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)), 256),
      /** Store paths in all views of one user together. */
      max_paths: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000_000)), 200_000),
      /** How long a view stays that nobody holds. */
      grace: v.optional(duration, '10m'),
    }),
    {},
  ),
  image_service: v.optional(
    v.strictObject({
      /** Serve CRI's image service in front of containerd's, on the same socket as the rest. */
      enable: v.optional(v.boolean(), false),
      /** containerd's socket for images; `containerd_address` unless told. */
      containerd_address: v.optional(absolutePath),
      /** What the proxy plugin is called in containerd's configuration: images are unpacked for it. */
      snapshotter: v.optional(v.pipe(v.string(), v.nonEmpty()), 'nix'),
    }),
    {},
  ),
  /** containerd's own socket: where the diff plugin hands layers to. */
  containerd_address: v.optional(absolutePath, '/run/containerd/containerd.sock'),
  resolver: v.optional(
    v.strictObject({
      /** Loopback address and port of the registry that serves store paths as images; none without it. */
      address: v.optional(loopback),
      /** How long a pull of a store path waits for a realise; the work goes on and a retry joins it. */
      deadline: v.optional(duration, '5m'),
      /** What may be built on this node: nothing (paths are substituted), derivation files, or flakes as well. */
      build: v.optional(v.picklist(['never', 'drv', 'flake']), 'never'),
      /** How long the build of one derivation, or an evaluation, may take. */
      build_timeout: v.optional(duration, '1h'),
    }),
    {},
  ),
  metrics: v.optional(
    v.strictObject({
      /** Address and port, or unix socket, of the HTTP server of metrics and probes; none without it. */
      address: v.optional(metricsEndpoint),
    }),
    {},
  ),
  prepare: v.optional(
    v.strictObject({
      /**
       * Where the unpacking of a Nix layer waits for Nix: in Prepare, which holds containerd's snapshot lock, or in Apply of
       * the proxy diff plugin, which does not and has to be configured in containerd.
       */
      wait: v.optional(v.picklist(['prepare', 'apply']), 'prepare'),
      /** How long a call waits for a realise; the work goes on and a retry joins it. */
      deadline: v.optional(duration, '5m'),
    }),
    {},
  ),
  /** What may be realised on this node; everything unless told. Documented in docs/policy.md. */
  policy: v.optional(
    v.strictObject({
      /** The first rule that matches decides. */
      rules: v.optional(
        v.pipe(
          v.array(
            v.strictObject({
              /** What refusals call it. */
              name: v.pipe(
                v.string(),
                v.regex(/^[\w.-]{1,64}$/, 'up to 64 letters, digits, "_", "." and "-" are expected'),
              ),
              action: v.picklist(['allow', 'deny']),
              image: v.optional(patterns),
              path: v.optional(patterns),
              larger_than: v.optional(bytes),
            }),
          ),
          v.maxLength(1000),
          v.check(
            (rules) => new Set(rules.map(({ name }) => name)).size === rules.length,
            'two rules have one name',
          ),
        ),
        [],
      ),
      /** What becomes of that which no rule matches. */
      default: v.optional(v.picklist(['allow', 'deny']), 'allow'),
      /**
       * How rules take an image whose reference Prepare is not told: against it; as the label of the layer says, which is true only
       * where every client writes it itself; or not at all.
       */
      unknown_image: v.optional(v.picklist(['refuse', 'label', 'skip']), 'refuse'),
      /** NAR bytes of the store paths of one image. */
      max_image_bytes: v.optional(bytes),
      /** NAR bytes of all store paths that this daemon keeps, each once. */
      max_node_bytes: v.optional(bytes),
      /** What stays free on the file system of the store. */
      min_free_bytes: v.optional(bytes),
    }),
    {},
  ),
  gc: v.optional(
    v.strictObject({
      /**
       * How long paths stay rooted that no snapshot needs: after the last use, after a pull, or a realise that nobody waited for
       * to the end.
       */
      grace: v.optional(duration, '1h'),
      /** While less of the store's file system is free, in percent, what was in use is not kept for the grace period. */
      min_free_percent: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100)), 15),
    }),
    {},
  ),
});

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replaceAll(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) };
}

/** The checked configuration; durations in milliseconds. */
export type Config = v.InferOutput<typeof configSchema>;
