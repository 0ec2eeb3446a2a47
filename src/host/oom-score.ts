import { readFileSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../errors.ts';

const MOST = 1000;

/**
 * Has a child of this process end before it when memory runs out: a child inherits the score by which the daemon's unit protects the
 * daemon, and a build that eats all memory would outlive everything else. Called right after the spawn, so that its own children
 * inherit the new score. Raising a score takes no privilege. Source: proc_pid_oom_score_adj(5).
 */
export function endBeforeUs(child: number): void {
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
    writeFileSync(`/proc/${child}/oom_score_adj`, String(scoreOfChild(own)));
  } catch (error) {
    // It has ended, or /proc is not writable here: it runs all the same.
    if (errnoOf(error) === undefined) throw error;
  }
}

/** What containerd's shims do with theirs, and never protected: one more than ours, at least 0. */
export function scoreOfChild(own: number): number {
  return Math.min(MOST, Math.max(0, own + 1));
}
