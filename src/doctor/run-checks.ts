import { messageOf } from '../errors.ts';
import { failure, type Finding } from './finding.ts';

/** One thing that is looked at. It changes nothing, and reports what it cannot find out as a finding. */
export interface Check {
  readonly name: string;
  /** @param signal ends what the check waits for. */
  readonly run: (signal: AbortSignal) => Promise<readonly Finding[]>;
}

export interface Checked {
  /** In the order of the checks. */
  readonly findings: readonly Finding[];
  /** Whether some check was left behind: it may still hold the process. */
  readonly isLate: boolean;
}

/**
 * Runs checks, all at the same time.
 *
 * @param deadlineMs how long each may take; a later one is reported and left behind.
 */
export async function runChecks(checks: readonly Check[], deadlineMs: number): Promise<Checked> {
  const results = await Promise.all(checks.map((check) => runCheck(check, deadlineMs)));
  return {
    findings: results.flatMap(({ findings }) => findings),
    isLate: results.some(({ isLate }) => isLate),
  };
}

async function runCheck({ name, run }: Check, deadlineMs: number): Promise<Checked> {
  const signal = AbortSignal.timeout(deadlineMs);
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  // A timer of a signal does not keep the process alive: this one does.
  const timer = setTimeout(() => resolve('late'), deadlineMs);
  try {
    const findings = await Promise.race([run(signal), late]);
    if (findings !== 'late') return { findings, isLate: false };
  } catch (error) {
    if (!signal.aborted) return { findings: [failed(name, messageOf(error))], isLate: false };
  } finally {
    clearTimeout(timer);
  }
  return { findings: [failed(name, `no answer within ${deadlineMs / 1000} s`)], isLate: true };
}

function failed(name: string, cause: string): Finding {
  return failure(`${name}-unknown`, {
    what: `the check "${name}" did not come to an end: ${cause}`,
    why: 'what it looks at is not known',
    fix: 'mend what the message names, then run nix-snapshotter doctor again',
  });
}
