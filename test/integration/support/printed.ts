import type { ExecResult } from '../../sandbox/sandbox.ts';

/** So often a client is asked to run a container that says nothing. */
const TRIES = 3;

/**
 * What a container prints, by a client that is attached to it. Now and then such a client loses the output of a container that ends
 * at once (docs/testbed.md), so one that succeeded and said nothing is run again.
 */
export async function printed(run: () => Promise<ExecResult>): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const { stdout } = await run();
    if (stdout !== '' || tries === TRIES) return stdout;
  }
}
