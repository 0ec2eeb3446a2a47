import { errnoOf, messageOf } from './errors.ts';

/**
 * Takes care of standard output and error of a program for its whole run. A reader that has gone, as `head` does, is no failure: the program
 * ends its work, and what it prints is nobody's. Anything else that keeps output from being written, such as a full disk, ends the
 * program with one line and exit code 1.
 */
export function guardOutput(program: string): void {
  process.stdout.on('error', (error) => {
    if (errnoOf(error) === 'EPIPE') return;
    process.stderr.write(
      `${program}: standard output cannot be written: ${messageOf(error)}; print to another file or disk\n`,
      () => process.exit(1),
    );
  });
  process.stderr.on('error', () => {
    // Nobody is left who could be told.
  });
}
