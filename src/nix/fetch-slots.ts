/** After so long a fetch is a long one, in milliseconds. */
const LONG_AFTER_MS = 5000;

export interface FetchSlotsOptions {
  /** How many fetches may run at a time that are not known to be long. */
  readonly short: number;
  /** How many long ones may go on beside them; 0 makes no difference between them. */
  readonly long: number;
}

/** Somebody who wants to fetch. Both are looked at when a slot is free. */
export interface FetchRequest {
  /** It is known to be long before it begins. */
  readonly isLong: boolean;
  /** Nobody waits for it. */
  readonly isBackground: boolean;
}

/** The right to fetch; disposing of it gives it back. */
export interface FetchSlot extends Disposable {
  /** Says that this fetch is a long one. Returns whether it may go on: there is room among the long ones. */
  turnsLong(): boolean;
}

interface Waiting {
  readonly request: FetchRequest;
  readonly grant: () => void;
}

/**
 * Who may fetch. Long fetches and others have slots of their own, so that no number of large closures keeps a small one from
 * its turn: nobody knows how large a closure is before its fetch has begun, so one that turns out to be long moves over, and
 * where there is no room among the long ones gives its slot up. One that only takes long for its size moves over too, and keeps
 * its slot until there is room.
 */
export class FetchSlots {
  readonly #options: FetchSlotsOptions;
  readonly #short = new Set<FetchSlot>();
  readonly #long = new Set<FetchSlot>();
  /** Short ones that have taken too long, oldest first. */
  readonly #overdue = new Set<FetchSlot>();
  readonly #waiting = new Set<Waiting>();

  constructor(options: FetchSlotsOptions) {
    this.#options = options;
  }

  /**
   * Waits for a slot: those whom somebody waits for first, then in the order in which they came.
   *
   * @param signal gives up waiting, by its reason.
   */
  async acquire(request: FetchRequest, signal: AbortSignal): Promise<FetchSlot> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<FetchSlot>();
    const waiting: Waiting = { request, grant: () => resolve(this.#begin(request)) };
    const leave = (): void => {
      this.#waiting.delete(waiting);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#waiting.add(waiting);
    this.#next();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #begin(request: FetchRequest): FetchSlot {
    const mayTurn = this.#options.long > 0;
    let timer: NodeJS.Timeout | undefined;
    const slot: FetchSlot = {
      turnsLong: () => !mayTurn || this.#turn(slot),
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        for (const slots of [this.#short, this.#long, this.#overdue]) slots.delete(slot);
        this.#next();
      },
    };
    if (mayTurn) {
      timer = setTimeout(() => {
        if (!this.#turn(slot)) this.#overdue.add(slot);
      }, LONG_AFTER_MS);
      timer.unref();
    }
    (this.#isLong(request) ? this.#long : this.#short).add(slot);
    return slot;
  }

  #turn(slot: FetchSlot): boolean {
    if (this.#long.has(slot)) return true;
    if (this.#long.size >= this.#options.long) return false;
    this.#short.delete(slot);
    this.#overdue.delete(slot);
    this.#long.add(slot);
    this.#next();
    return true;
  }

  /** Gives free slots away. */
  #next(): void {
    for (const slot of this.#overdue) if (!this.#turn(slot)) break;
    while (this.#short.size < this.#options.short && this.#grant(false)) continue;
    while (this.#long.size < this.#options.long && this.#grant(true)) continue;
  }

  #grant(isLong: boolean): boolean {
    const fitting = [...this.#waiting].filter(({ request }) => this.#isLong(request) === isLong);
    const next = fitting.find(({ request }) => !request.isBackground) ?? fitting[0];
    if (next === undefined) return false;
    this.#waiting.delete(next);
    next.grant();
    return true;
  }

  #isLong({ isLong }: FetchRequest): boolean {
    return isLong && this.#options.long > 0;
  }
}
