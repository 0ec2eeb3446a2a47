import type { Options } from 'execa';
import { errnoOf, messageOf, StatusError } from '../errors.ts';

/** Longest output of a program, in bytes. */
const MAX_OUTPUT = 64 * 1024;
/** How long one of these programs may take, in milliseconds; each does a bounded piece of local work. */
const TIMEOUT_MS = 60_000;

/**
 * Runs a program of the host with its messages in English and waits for its end.
 *
 * @param input handed over as its stdin; nothing without.
 * @returns its stdout.
 * @throws StatusError FailedPrecondition when it is absent, DeadlineExceeded when it hangs, Internal with what it said when it
 *   fails.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  input?: Uint8Array,
): Promise<string> {
  const options = {
    reject: false,
    stdin: input === undefined ? 'ignore' : 'pipe',
    ...(input === undefined ? {} : { input }),
    stderr: 'pipe',
    maxBuffer: MAX_OUTPUT,
    timeout: TIMEOUT_MS,
    forceKillAfterDelay: 1000,
    env: { LC_ALL: 'C' },
  } satisfies Options;
  // Loaded with the first child: a daemon that runs none stays small.
  const { execa } = await import('execa');
  const result = await execa(program, args, options);
  if (!result.failed) return result.stdout;
  if (errnoOf(result.cause) === 'ENOENT') {
    throw new StatusError('FailedPrecondition', `${program} is not found in PATH; install it on this host`);
  }
  if (result.timedOut) {
    throw new StatusError('DeadlineExceeded', `${program} did not end within ${TIMEOUT_MS / 1000} s`);
  }
  const said = typeof result.stderr === 'string' ? result.stderr.trim() : '';
  throw new StatusError('Internal', `${program}: ${said === '' ? messageOf(result.shortMessage) : said}`);
}
