import type { ReceivedListener } from './store.ts';

/** How a realise, or a build, ended. */
export interface RealiseEnd {
  /** Without its time in the queue. */
  readonly milliseconds: number;
  /** Undefined when it succeeded. */
  readonly error: unknown;
  /** Substituters that were asked, 0 when all was there. */
  readonly asked: number;
}

/** Told of what a queue of realises does, for metrics. */
export interface RealiseObserver {
  /** One left the queue, after so many milliseconds. */
  readonly began: (queuedMs: number) => void;
  readonly received: ReceivedListener;
  readonly ended: (end: RealiseEnd) => void;
}
