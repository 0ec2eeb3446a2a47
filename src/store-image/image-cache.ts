import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ServedImage } from './served-image.ts';

/** An image in use; disposing of it gives it back. */
export interface ImageLease extends Disposable {
  readonly image: ServedImage;
}

interface Kept {
  readonly image: Promise<ServedImage>;
  users: number;
  timer: NodeJS.Timeout | undefined;
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

  /** The image of a key, opened once however many ask; a failure is not kept. */
  async use(key: string, open: () => Promise<ServedImage>): Promise<ImageLease> {
    const kept = this.#kept.get(key) ?? { image: open(), users: 0, timer: undefined };
    this.#kept.set(key, kept);
    clearTimeout(kept.timer);
    kept.users += 1;
    try {
      return { image: await kept.image, [Symbol.dispose]: () => this.#giveBack(key, kept) };
    } catch (error) {
      if (this.#kept.get(key) === kept) this.#kept.delete(key);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [key, kept] of this.#kept) await this.#drop(key, kept);
  }

  #giveBack(key: string, kept: Kept): void {
    kept.users -= 1;
    if (kept.users > 0) return;
    kept.timer = setTimeout(() => void this.#drop(key, kept), this.#idleMs);
    kept.timer.unref();
  }

  async #drop(key: string, kept: Kept): Promise<void> {
    clearTimeout(kept.timer);
    if (this.#kept.get(key) === kept) this.#kept.delete(key);
    try {
      await (await kept.image)[Symbol.asyncDispose]();
    } catch (error) {
      this.#log.warn({ image: key, error: messageOf(error) }, 'an image of the resolver cannot be closed');
    }
  }
}
