import { join } from 'node:path';
import pLimit from 'p-limit';
import type { StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';
import { namesIn } from '../host/names-in.ts';
import type { Log } from '../log.ts';
import { isThere } from '../nix/keep-realised.ts';
import type { NixStore } from '../nix/store.ts';
import { waitFor } from '../nix/wait-for.ts';
import type { ShownView } from '../view/overlay/closure-views.ts';
import { viewKey } from '../view/overlay/fingerprint.ts';
import type { OverlayViews } from '../view/overlay/overlay-views.ts';

export interface HeldViewsOptions {
  /** Where the GC roots of views lie: `<key>` each. */
  readonly gcRoots: string;
  /** Views at a time. */
  readonly maxViews: number;
  /** Store paths in all views together: each is an inode. */
  readonly maxPaths: number;
  /** How long a view stays that nobody holds, in milliseconds. */
  readonly graceMs: number;
}

export interface HeldViewsDeps {
  readonly views: Pick<OverlayViews, 'show' | 'collect' | 'mounted'>;
  readonly nix: Pick<NixStore, 'realStoreDir' | 'valid' | 'realise' | 'removeRoot'>;
  /** The keys of views that containers stand on now: their metadata is looked into even after an unmount. */
  readonly inUse: () => Promise<ReadonlySet<string>>;
  readonly log: Log;
}

/** A view that stays until `release`, a while longer, and as long as a container stands on it. */
export interface HeldView extends ShownView {
  readonly release: () => void;
}

interface Entry {
  readonly paths: number;
  holders: number;
  timer: NodeJS.Timeout | undefined;
}

/** Requests that wait for the one that is served. */
const MAX_WAITING = 32;
/** How long a caller waits for its view, in milliseconds. */
const DEADLINE_MS = 60_000;

/**
 * Views for callers who are not trusted: of valid paths alone, each with a GC root of its own, made one at a time, bounded in
 * number and size. They need not be a whole closure: a part shows nothing that the whole does not, and the root keeps whatever
 * the listed paths refer to. One that nobody holds and no container stands on goes after the grace time, or when another
 * needs its place.
 */
export class HeldViews {
  readonly #options: HeldViewsOptions;
  readonly #deps: HeldViewsDeps;
  /** One request at a time. */
  readonly #turn = pLimit(1);
  /** Rooted views by key; those that were released last come last. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: HeldViewsOptions, deps: HeldViewsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Takes over what an earlier process left: mounted, rooted views, and those that containers stand on. Everything else goes. */
  async adopt(): Promise<void> {
    await this.#turn(() => this.#adopt());
  }

  /**
   * Shows store paths.
   *
   * @param paths sorted, each once.
   * @param signal aborted when the caller has gone.
   * @throws StatusError FailedPrecondition for a path that is not valid, or why no view can be made; ResourceExhausted when there
   *   are too many; DeadlineExceeded; what Nix raises.
   */
  async hold(paths: readonly StorePath[], signal: AbortSignal): Promise<HeldView> {
    if (this.#turn.pendingCount >= MAX_WAITING) {
      throw new StatusError(
        'ResourceExhausted',
        `${MAX_WAITING} requests wait already; try again: resource exhausted`,
      );
    }
    const made = this.#turn(() => this.#hold(paths));
    try {
      return await waitFor(made, { signal, deadlineMs: DEADLINE_MS }, () => `view of ${paths.length} paths`);
    } catch (error) {
      made.then(
        ({ release }) => release(),
        () => undefined,
      );
      throw error;
    }
  }

  /** Stops the timers; views and roots stay, for {@link adopt}. */
  close(): void {
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
  }

  async #adopt(): Promise<void> {
    const { gcRoots } = this.#options;
    await makeDirectories(gcRoots, 0o700);
    const rooted = new Set(await namesIn(gcRoots));
    const inUse = await this.#deps.inUse();
    for (const [key, paths] of await this.#deps.views.mounted()) {
      if (this.#entries.has(key)) continue;
      if (rooted.has(key) || inUse.has(key)) this.#expireLater(key, { paths, holders: 0, timer: undefined });
    }
    await this.#collect();
  }

  async #hold(paths: readonly StorePath[]): Promise<HeldView> {
    const closure = { kind: 'paths', paths } as const;
    const key = viewKey(closure);
    const known = this.#entries.get(key);
    // One that was adopted because a container stands on it may have lost its root.
    if (known === undefined || !(await this.#isRooted(key))) await this.#root(key, paths);
    const entry = known ?? { paths: paths.length, holders: 0, timer: undefined };
    this.#entries.set(key, entry);
    try {
      const shown = await this.#deps.views.show(closure, async () => paths);
      if ('refused' in shown) throw failed(`no view can be made: ${shown.refused}`);
      if ('missing' in shown) throw failed(`store path ${shown.missing[0] ?? paths[0]} is not on this host`);
      clearTimeout(entry.timer);
      entry.holders += 1;
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      void released.then(() => this.#release(key, entry));
      return { ...shown, release };
    } catch (error) {
      if (known === undefined) {
        this.#entries.delete(key);
        await this.#collect();
      }
      throw error;
    }
  }

  /** Sees to it that the paths are valid and stay so, with all that they refer to. */
  async #root(key: string, paths: readonly StorePath[]): Promise<void> {
    const { nix } = this.#deps;
    const valid = await nix.valid(paths);
    const invalid = paths.find((path) => !valid.has(path));
    if (invalid !== undefined) throw failed(`store path ${invalid} is not valid on this host`);
    await this.#makeRoom(paths.length);
    await nix.realise(paths, this.#link(key));
  }

  /** Gives up views that nobody uses, the longest unused first, until another one has a place. */
  async #makeRoom(paths: number): Promise<void> {
    const { maxViews, maxPaths } = this.#options;
    const isFull = () => {
      const inUse = [...this.#entries.values()].reduce((sum, entry) => sum + entry.paths, 0);
      return this.#entries.size >= maxViews || inUse + paths > maxPaths;
    };
    if (!isFull()) return;
    const inUse = await this.#deps.inUse();
    for (const [key, { holders, timer }] of this.#entries) {
      if (!isFull()) break;
      if (holders > 0 || inUse.has(key)) continue;
      clearTimeout(timer);
      this.#entries.delete(key);
    }
    await this.#collect();
    if (isFull()) {
      throw new StatusError(
        'ResourceExhausted',
        `no room for a view of ${paths} paths beside the ${this.#entries.size} that are in use ` +
          `(view_helper.max_views = ${maxViews}, view_helper.max_paths = ${maxPaths}): resource exhausted`,
      );
    }
  }

  #release(key: string, entry: Entry): void {
    entry.holders -= 1;
    if (entry.holders === 0) this.#expireLater(key, entry);
  }

  #expireLater(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.timer = setTimeout(() => void this.#turn(() => this.#expire(key, entry)), this.#options.graceMs);
  }

  async #expire(key: string, entry: Entry): Promise<void> {
    const isIdle = () => this.#entries.get(key) === entry && entry.holders === 0;
    if (!isIdle()) return;
    try {
      if ((await this.#deps.inUse()).has(key)) return this.#expireLater(key, entry);
      this.#entries.delete(key);
      await this.#collect();
    } catch (error) {
      this.#deps.log.error({ key, error: messageOf(error) }, 'cannot tell whether a view is in use');
      this.#expireLater(key, entry);
    }
  }

  /** Removes views that have no entry, then the roots of those that are gone. Logs what cannot be removed. */
  async #collect(): Promise<void> {
    const { views, nix, log } = this.#deps;
    const { gcRoots } = this.#options;
    try {
      const problems = await views.collect(() => new Set(this.#entries.keys()));
      for (const problem of problems) log.error({ problem }, 'clean-up left something');
      const mounted = await views.mounted();
      for (const key of await namesIn(gcRoots)) {
        if (!this.#entries.has(key) && !mounted.has(key)) await nix.removeRoot(this.#link(key));
      }
    } catch (error) {
      log.error({ error: messageOf(error) }, 'views that nobody uses cannot be cleaned up');
    }
  }

  async #isRooted(key: string): Promise<boolean> {
    return await isThere(this.#link(key), await this.#deps.nix.realStoreDir());
  }

  #link(key: string): string {
    return join(this.#options.gcRoots, key);
  }
}

function failed(why: string): StatusError {
  return new StatusError('FailedPrecondition', `${why}: failed precondition`);
}
