/** How far back the present speed is measured, in milliseconds: a cache hands out files, not a stream. */
const WINDOW_MS = 5000;
/** No more than this many samples are kept for the window. */
const STEP_MS = WINDOW_MS / 20;

interface Sample {
  readonly bytes: number;
  /** By the clock of `performance`. */
  readonly at: number;
}

/** Tells how quickly a sum of bytes grows now; what stands still has no speed after a while. */
export class SpeedMeter {
  /** Oldest first. */
  #samples: Sample[];
  #bytes = 0;

  /** @param now by the clock of `performance`, as in the other methods. */
  constructor(now: number) {
    this.#samples = [{ bytes: 0, at: now }];
  }

  /** @param bytes in all, by now; fewer than before when the work was begun anew. */
  reached(bytes: number, now: number): void {
    if (bytes < this.#bytes) this.#samples = [];
    this.#bytes = bytes;
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.at >= STEP_MS) this.#samples.push({ bytes, at: now });
    this.#forget(now);
  }

  /** Bytes a second. */
  speed(now: number): number {
    this.#forget(now);
    const [oldest] = this.#samples;
    if (oldest === undefined || now <= oldest.at) return 0;
    return (Math.max(0, this.#bytes - oldest.bytes) * 1000) / Math.max(STEP_MS, now - oldest.at);
  }

  /** Of what lies before the window only counts how much there was when it began, as far as two samples tell. */
  #forget(now: number): void {
    const begin = now - WINDOW_MS;
    let before: Sample | undefined;
    while (this.#samples[0] !== undefined && this.#samples[0].at < begin) before = this.#samples.shift();
    if (before === undefined) return;
    const [next] = this.#samples;
    const share = next === undefined ? 0 : (begin - before.at) / (next.at - before.at);
    const bytes = next === undefined ? this.#bytes : before.bytes + (next.bytes - before.bytes) * share;
    this.#samples.unshift({ bytes, at: begin });
  }
}
