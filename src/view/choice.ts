import type { Log } from '../log.ts';
import type { ViewName } from './view.ts';

export interface ViewChoiceOptions {
  /** `auto` takes overlay where it works, else binds. */
  readonly configured: 'auto' | ViewName;
  /** Why this process can make no overlay views; undefined when nothing speaks against it. */
  readonly cannotOverlay: string | undefined;
  /** Who makes overlay views, when it is not this process. */
  readonly maker?: string | undefined;
}

/** After a view could not be made, binds are used for so long before another try, in milliseconds. */
const RETRY_MS = 60_000;

/** Which view new snapshots get, and why. */
export class ViewChoice {
  readonly #configured: ViewChoiceOptions['configured'];
  readonly #maker: string | undefined;
  readonly #log: Log;
  /** Reasons that were logged. */
  readonly #told = new Set<string>();
  #refusal: { readonly reason: string; readonly until: number } | undefined;

  constructor({ configured, cannotOverlay, maker }: ViewChoiceOptions, { log }: { readonly log: Log }) {
    this.#configured = configured;
    this.#maker = maker;
    this.#log = log;
    if (configured === 'auto' && cannotOverlay !== undefined) this.#refuse(cannotOverlay, Infinity);
  }

  /** The view for a new snapshot. */
  get current(): ViewName {
    if (this.#configured !== 'auto') return this.#configured;
    return this.#refusal !== undefined && performance.now() < this.#refusal.until ? 'binds' : 'overlay';
  }

  /** True when something else may be used where the current view does not work. */
  get mayFallBack(): boolean {
    return this.#configured === 'auto';
  }

  /** Tells that an overlay view could not be made: binds are used, until it is tried again after a while. */
  refused(reason: string): void {
    this.#refuse(reason, performance.now() + RETRY_MS);
  }

  /** Tells that one snapshot cannot have an overlay view, for a reason of its own. */
  refusedOne(reason: string): void {
    if (this.current === 'overlay') this.#refuse(reason, performance.now());
  }

  /** For `status`. */
  describe(): { readonly mode: ViewName; readonly reason: string } {
    const mode = this.current;
    const by = mode === 'overlay' && this.#maker !== undefined ? `, made by ${this.#maker}` : '';
    if (this.#configured !== 'auto') return { mode, reason: `configured${by}` };
    if (this.#refusal === undefined) return { mode, reason: `default${by}` };
    const { reason } = this.#refusal;
    return {
      mode,
      reason: mode === 'binds' ? `no overlay view: ${reason}` : `default${by}; it failed before: ${reason}`,
    };
  }

  #refuse(reason: string, until: number): void {
    this.#refusal = { reason, until };
    if (this.#told.has(reason)) return;
    this.#told.add(reason);
    this.#log.warn({ reason }, 'closures are shown by binds: an overlay view cannot be made');
  }
}
