import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ServedImage } from './served-image.ts';

/** An image in use; disposing of it gives it back. */
export interface ImageLease extends Disposable {
  readonly image: ServedImage;
}

interface Kept {
  readonly image: Promise<ServedImage>;
  /** Aborted when everybody who waited for the image has gone. */
  readonly unwanted: AbortController;
  users: number;
  timer: NodeJS.Timeout | undefined;
  closed: boolean;
}

/** Keeps images from one request of a pull to the next, for they hold open files; what nobody uses is let go after a while. */
export class ImageCache implements AsyncDisposable {
  readonly #idleMs: number;
  readonly #log: Log;
  readonly #kept = new Map<string, Kept>();

  constructor(options: { readonly idleMs: number }, { log }: { readonly log: Log }) {
    this.#idleMs = options.idleMs;
    this.#log = log;
  }

  /**
   * The image of a key, opened once however many ask; a failure is not kept.
   *
   * @param open its signal says that all who waited have gone.
   * @param signal this one has gone; it is told so by StatusError Cancelled.
   */
  async use(
    key: string,
    open: (unwanted: AbortSignal) => Promise<ServedImage>,
    signal?: AbortSignal,
  ): Promise<ImageLease> {
    const kept = this.#kept.get(key) ?? start(open);
    this.#kept.set(key, kept);
    clearTimeout(kept.timer);
    kept.users += 1;
    try {
      const image = await unlessGone(kept.image, signal, key);
      return { image, [Symbol.dispose]: () => this.#giveBack(key, kept) };
    } catch (error) {
      if (signal?.aborted === true) this.#leave(key, kept);
      else if (this.#kept.get(key) === kept) this.#kept.delete(key);
      throw error;
    }
  }

  /** Opens the image anew for who asks next; those who use it keep it. */
  forget(key: string): void {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept?.users === 0) void this.#drop(key, kept);
  }

  /** What is being opened is stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { unwanted } of this.#kept.values()) unwanted.abort();
    for (const [key, kept] of this.#kept) await this.#drop(key, kept);
  }

  /** One who waited has gone. The last one takes the work along; what it had made all the same is closed. */
  #leave(key: string, kept: Kept): void {
    kept.users -= 1;
    if (kept.users > 0) return;
    kept.unwanted.abort();
    if (this.#kept.get(key) === kept) this.#kept.delete(key);
    void this.#drop(key, kept);
  }

  #giveBack(key: string, kept: Kept): void {
    kept.users -= 1;
    if (kept.users > 0) return;
    if (this.#kept.get(key) !== kept) {
      void this.#drop(key, kept);
      return;
    }
    kept.timer = setTimeout(() => void this.#drop(key, kept), this.#idleMs);
    kept.timer.unref();
  }

  async #drop(key: string, kept: Kept): Promise<void> {
    clearTimeout(kept.timer);
    if (this.#kept.get(key) === kept) this.#kept.delete(key);
    if (kept.closed) return;
    kept.closed = true;
    // Who waited for it has been told why there is none.
    const image = await kept.image.catch(() => undefined);
    try {
      await image?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#log.warn({ image: key, error: messageOf(error) }, 'an image of the resolver cannot be closed');
    }
  }
}

function start(open: (unwanted: AbortSignal) => Promise<ServedImage>): Kept {
  const unwanted = new AbortController();
  return { image: open(unwanted.signal), unwanted, users: 0, timer: undefined, closed: false };
}

async function unlessGone<T>(work: Promise<T>, signal: AbortSignal | undefined, key: string): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(new StatusError('Cancelled', `${key}: the client has gone`));
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
