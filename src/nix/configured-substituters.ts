import { StatusError } from '../errors.ts';
import type { NixCommand } from './nix-command.ts';

/**
 * The substituters that nix.conf names.
 *
 * @throws StatusError FailedPrecondition when `nix` is absent or cannot say, Cancelled.
 */
export async function configuredSubstituters(
  nix: Pick<NixCommand, 'run' | 'program'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  // The second is the older name of the first (before Nix 2.20).
  for (const command of [['config', 'show'], ['show-config']]) {
    const { exitCode, stdout } = await nix.run(command, signal);
    if (exitCode !== 0) continue;
    const line = /^substituters = (.*)$/m.exec(stdout)?.[1] ?? '';
    return line.split(' ').filter((word) => word !== '');
  }
  throw new StatusError(
    'FailedPrecondition',
    `${nix.program} config show: fails, so that nobody knows which caches to ask; name them as nix.substituters`,
  );
}
