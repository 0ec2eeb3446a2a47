import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { runNix } from './run-nix.ts';

const MAX_ANSWER = 1024 * 1024;
const TIMEOUT_MS = 10_000;

/** Nix ≥ 2.20 has `nix config show`, older ones `nix show-config`, which prints every setting. */
const QUESTIONS = [['config', 'show', 'store'], ['show-config']];

/** The `store` setting of this host's nix.conf; `auto`, Nix's default, when Nix cannot be asked. */
export async function askStoreUri(
  program: string,
  env: Readonly<Record<string, string>>,
  log: Log,
): Promise<string> {
  for (const question of QUESTIONS) {
    try {
      const { exitCode, stdout } = await runNix({
        program,
        args: ['--extra-experimental-features', 'nix-command', ...question],
        env,
        maxOutput: MAX_ANSWER,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const uri = exitCode === 0 ? storeSetting(stdout) : undefined;
      if (uri !== undefined) return uri;
    } catch (error) {
      log.warn(
        { program, error: messageOf(error) },
        'cannot ask Nix for its store; taking the default, /nix/store',
      );
      return 'auto';
    }
  }
  log.warn({ program }, 'Nix does not say which store it uses; taking the default, /nix/store');
  return 'auto';
}

/** From `store = URI` among other lines, or from the bare value. */
export function storeSetting(answer: string): string | undefined {
  const lines = answer.trim().split('\n');
  const assigned = lines.map((line) => /^store = (.+)$/.exec(line)?.[1]).find((value) => value !== undefined);
  if (assigned !== undefined) return assigned.trim();
  const [only = ''] = lines;
  return lines.length === 1 && only !== '' ? only : undefined;
}
