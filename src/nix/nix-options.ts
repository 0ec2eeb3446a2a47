import { basename, dirname, join } from 'node:path';

export interface NixStoreOptions {
  /** Nix's `store` setting; undefined: what this host's nix.conf says. `NIX_REMOTE` is not inherited. */
  readonly store?: string;
  /** The real store directory; undefined: worked out from `store`. */
  readonly realStoreDir?: string;
  /** Name (looked up in PATH) or path of `nix-store`; `nix-instantiate` and `nix` are taken from beside it. */
  readonly program?: string;
  /** Replaces the host's substituters. */
  readonly substituters?: readonly string[];
  /** More nix.conf settings for our calls, by name. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Settings by which Nix reads the descriptions of paths anew, instead of keeping them for 30 days. */
export const FORGET_HITS = { 'narinfo-cache-positive-ttl': '0' } as const;

/** The nix.conf settings of our calls, by name; which store is none of them. */
export function overridesOf(options: NixStoreOptions): ReadonlyMap<string, string> {
  return new Map([
    // A miss must not be remembered: the next pull may come right after the push to the cache.
    ['narinfo-cache-negative-ttl', '0'],
    ...(options.substituters === undefined
      ? []
      : [['substituters', options.substituters.join(' ')] as const]),
    ...Object.entries(options.settings ?? {}),
  ]);
}

/**
 * The store and {@link overridesOf} as command-line arguments. `--max-jobs 0` is left out on purpose: before Nix 2.16 it also
 * limits how many paths are fetched at a time, and a path that is no derivation file is only ever substituted.
 */
export function settingsOf(options: NixStoreOptions): readonly string[] {
  const store = options.store === undefined ? [] : [['store', options.store] as const];
  return [...store, ...overridesOf(options)].flatMap(([name, value]) => ['--option', name, value]);
}

/**
 * Of the daemon's environment our Nix processes do not get the store that somebody else chose, the language, and systemd's socket: what
 * they, or hooks that they run, say there would be taken for the daemon's word.
 */
const NOT_INHERITED: ReadonlySet<string> = new Set(['NIX_REMOTE', 'LANGUAGE', 'NOTIFY_SOCKET']);

/** The environment of our Nix processes: the daemon's own but for {@link NOT_INHERITED}, in English. */
export function environment(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !NOT_INHERITED.has(entry[0]) && !entry[0].startsWith('LC_'),
  );
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

/** A program of the same Nix as `program`. */
export function besideOf(program: string, name: string): string {
  return basename(program) === program ? name : join(dirname(program), name);
}
