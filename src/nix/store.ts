import type { StorePath } from '../closure/store-path.ts';

/** How far a realise has come. Totals grow while Nix learns what it has to fetch. */
export interface RealiseProgress {
  readonly pathsDone: number;
  readonly pathsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** The substituters asked so far. */
  readonly substituters: readonly string[];
}

/** Told of what came from a substituter: so many bytes (unpacked) more, and so many whole store paths. */
export type ReceivedListener = (substituter: string, bytes: number, paths: number) => void;

/** Paths with what they refer to. */
export type ReferenceGraph = ReadonlyMap<StorePath, readonly StorePath[]>;

export interface RealiseOptions {
  /** Stops the work. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RealiseProgress) => void;
  readonly onReceived?: ReceivedListener | undefined;
  /** Awaited before anything is fetched, maybe more than once; what it raises is the failure. */
  readonly mayFetch?: () => Promise<void>;
}

/**
 * The Nix store of the host. Backends: the Nix daemon's worker protocol, and `nix-store` as a child process.
 * Every failure is a StatusError whose message carries the path, the substituters asked and Nix's last lines;
 * codes: see `failure.ts`, and Cancelled.
 */
export interface NixStore {
  /**
   * The directory on this host that holds what containers see as `/nix/store`. May ask Nix the first time.
   * Does not fail when Nix is not installed.
   */
  realStoreDir(): Promise<string>;

  /**
   * Makes the paths and their closures valid and protects all of them by the one GC root `root`, which exists
   * before this returns. Substitutes, never builds: a derivation file (`.drv`) is refused with InvalidArgument
   * unless it belongs to the closure of another of the paths.
   *
   * @param paths at least one.
   * @param root absolute path of the symlink to make; its directory exists. On failure it is removed, unless
   *   it was there before.
   */
  realise(paths: readonly StorePath[], root: string, options?: RealiseOptions): Promise<void>;

  /** The subset of `paths` that is valid now. Never substitutes. */
  valid(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>>;

  /** The closure of valid paths, sorted, each once. */
  closure(paths: readonly StorePath[]): Promise<readonly StorePath[]>;

  /** What a path refers to, itself included when it does; undefined when it is not valid. */
  references(path: StorePath): Promise<ReadonlySet<StorePath> | undefined>;

  /**
   * What each of `paths` refers to, itself included when it does.
   *
   * @param paths valid ones.
   */
  referenceGraph(paths: readonly StorePath[]): Promise<ReferenceGraph>;

  /** Removes a root made by {@link realise}; a root that is not there is no error. */
  removeRoot(root: string): Promise<void>;
}
