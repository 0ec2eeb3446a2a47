import { StatusError } from './errors.ts';

/** The oldest release line of Node.js that has what the programs use; package.json says the same. */
const OLDEST = 24;

/**
 * Refuses a Node.js that is too old before it fails with words of its own.
 *
 * @param version such as `24.1.0`.
 * @throws StatusError FailedPrecondition.
 */
export function requireNode(version: string): void {
  if (Number.parseInt(version, 10) >= OLDEST) return;
  throw new StatusError(
    'FailedPrecondition',
    `Node.js ${version} (${process.execPath}) is too old: install Node.js ${OLDEST} or newer, and put it first in PATH`,
  );
}
