import { constants } from 'node:os';
import type { Options } from 'execa';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { endBeforeUs } from '../host/oom-score.ts';
import { hidePasswords } from './hidden-settings.ts';
import { LineSplitter } from './line-splitter.ts';

export interface NixRun {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string;
  /** SIGTERM, then SIGKILL after {@link KILL_AFTER_MS}; the run ends when the process has ended. */
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
  /** Longest stdout that is kept, in bytes; more is an error. 0 throws it away. */
  readonly maxOutput?: number;
}

export interface NixResult {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
}

const KILL_AFTER_MS = 5000;

/**
 * Runs one Nix program with stdin closed (or `input`), stderr handed over by line, nothing else inherited, and passwords of settings
 * where other users cannot read them.
 *
 * @throws StatusError FailedPrecondition when the program is absent or cannot be executed, Cancelled when
 *   `signal` stopped it, ResourceExhausted when its output is longer than `maxOutput`.
 */
export async function runNix(run: NixRun): Promise<NixResult> {
  if (run.signal?.aborted) throw cancelled(run);
  const { args, env } = hidePasswords(run);
  const options = {
    env,
    extendEnv: false,
    reject: false,
    buffer: { stdout: run.maxOutput !== undefined && run.maxOutput > 0, stderr: false },
    maxBuffer: run.maxOutput || 1,
    stdin: run.input === undefined ? 'ignore' : 'pipe',
    ...(run.input === undefined ? {} : { input: run.input }),
    ...(run.signal === undefined ? {} : { cancelSignal: run.signal }),
    stdout: run.maxOutput ? 'pipe' : 'ignore',
    stderr: 'pipe',
    forceKillAfterDelay: KILL_AFTER_MS,
    stripFinalNewline: false,
  } satisfies Options;
  // Loaded with the first child: a daemon that runs none stays small.
  const { execa } = await import('execa');
  const subprocess = execa(run.program, args, options);
  if (subprocess.pid !== undefined) endBeforeUs(subprocess.pid);
  const lines = new LineSplitter((line) => run.onLine?.(line));
  subprocess.stderr?.on('data', (chunk: Buffer) => lines.write(chunk));
  // A child of a stopped wrapper script may hold the pipes open for as long as it likes.
  subprocess.nodeChildProcess.once('exit', () => {
    if (run.signal?.aborted !== true) return;
    subprocess.stdout?.destroy();
    subprocess.stderr?.destroy();
  });
  const result = await subprocess;
  lines.end();
  if (result.isCanceled) throw cancelled(run);
  if (result.isMaxBuffer) {
    throw new StatusError('ResourceExhausted', `${run.program}: more than ${run.maxOutput} bytes of output`);
  }
  if (result.exitCode === undefined && result.signal === undefined)
    throw programMissing(run.program, run.env, result.cause);
  return {
    exitCode: result.exitCode,
    signal: result.signal ?? shellSignal(result.exitCode),
    stdout: typeof result.stdout === 'string' ? result.stdout : '',
  };
}

function cancelled(run: NixRun): StatusError {
  return new StatusError('Cancelled', `${run.program} was stopped because nobody waits for it any more`);
}

/** The error for a Nix program that could not be started. */
export function programMissing(
  program: string,
  env: Readonly<Record<string, string>>,
  cause: unknown,
): StatusError {
  const reason =
    errnoOf(cause) === 'ENOENT' ? `not found in PATH ${env['PATH'] ?? '(empty)'}` : messageOf(cause);
  return new StatusError(
    'FailedPrecondition',
    `${program}: ${reason}; install Nix on this host (Debian: apt install nix-bin), ` +
      'or name its nix-store program in the configuration',
    { cause },
  );
}

/** A wrapper script reports its child's death by signal n as exit status 128 + n. */
function shellSignal(exitCode: number | undefined): string | undefined {
  if (exitCode === undefined || exitCode <= 128) return undefined;
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
}
