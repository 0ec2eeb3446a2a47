import type { Timestamp } from '../metadata/schema.ts';

/** Gives the wall-clock time; successive answers never go back while the system clock does not. */
export interface Clock {
  now(): Timestamp;
}

/**
 * The system's clock with better than millisecond resolution. `Date.now()` cuts to milliseconds, so a snapshot
 * would look older than the request that made it (containerd's suite checks that). The monotonic clock is
 * anchored to the wall clock and anchored anew when the two drift apart by more than a millisecond (clock steps).
 */
export function systemClock(): Clock {
  let anchor = performance.timeOrigin;
  return {
    now() {
      let millis = anchor + performance.now();
      const coarse = Date.now();
      if (millis < coarse || millis - coarse >= 2) {
        anchor += coarse - Math.floor(millis);
        millis = Math.max(anchor + performance.now(), coarse);
      }
      const seconds = Math.floor(millis / 1000);
      return { seconds, nanos: Math.floor((millis - seconds * 1000) * 1e6) };
    },
  };
}
