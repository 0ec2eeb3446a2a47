import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '../../src/errors.ts';
import type { SandboxProcess } from './process.ts';

/**
 * Asks `probe` again and again until it says true.
 *
 * @throws StatusError FailedPrecondition with the program's last lines when it ends before;
 *   DeadlineExceeded after `timeout` ms.
 */
export async function waitFor(
  program: SandboxProcess,
  probe: () => Promise<boolean>,
  timeout = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!(await probe())) {
    if (!program.running) {
      throw new StatusError('FailedPrecondition', `${program.name} ended at its start:\n${program.tail()}`);
    }
    if (performance.now() > deadline) {
      throw new StatusError(
        'DeadlineExceeded',
        `${program.name} is not ready after ${timeout} ms:\n${program.tail()}`,
      );
    }
    await sleep(10);
  }
}
