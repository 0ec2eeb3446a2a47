import { parse, TomlError, type TomlTable } from 'smol-toml';
import { tomlProblem } from '../config/toml.ts';
import { messageOf, StatusError } from '../errors.ts';
import { runProgram } from '../host/run-program.ts';

/** A containerd on this host. */
export interface ContainerdProgram {
  /** Name, looked up in PATH, or path. */
  readonly program: string;
  /** The main file; `/etc/containerd/config.toml` unless told. */
  readonly config?: string | undefined;
}

/** The one that is installed. */
export const INSTALLED: ContainerdProgram = { program: 'containerd' };

/**
 * A containerd's version, such as `2.3.7`.
 *
 * @throws StatusError FailedPrecondition when it is not installed or does not say.
 */
export async function containerdRelease({ program }: ContainerdProgram = INSTALLED): Promise<string> {
  let said: string;
  try {
    said = await runProgram(program, ['--version']);
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `the installed containerd cannot be asked: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
  const release = releaseIn(said);
  if (release !== undefined) return release;
  throw new StatusError('FailedPrecondition', `containerd --version says ${JSON.stringify(said.trim())}`);
}

/** The first version in a text, without a leading `v`. */
export function releaseIn(text: string): string | undefined {
  return /\bv?(\d+\.\d+\.\d+[-\w.]*)/.exec(text)?.[1];
}

/**
 * What a containerd makes of its files.
 *
 * @param hasMain whether there is a main file: without one containerd 1.7 can say only what its defaults are.
 * @throws StatusError with its words when it cannot read them.
 */
export async function dumpConfig(
  { program, config }: ContainerdProgram,
  hasMain: boolean,
): Promise<TomlTable> {
  const command = [
    ...(config === undefined ? [] : ['--config', config]),
    'config',
    hasMain ? 'dump' : 'default',
  ];
  const text = await runProgram(program, command).catch((error: unknown) => {
    throw error instanceof StatusError
      ? new StatusError(error.code, complaintIn(error.message), { cause: error })
      : error;
  });
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const said = `"containerd ${command.join(' ')}" prints no TOML: ${tomlProblem(error)}`;
    throw new StatusError('FailedPrecondition', said, { cause: error });
  }
}

/** What a containerd complains of, without its log and without the trace of a panic. */
function complaintIn(message: string): string {
  const [said = message] = message.split('\ngoroutine ', 1);
  const lines = said
    .split('\n')
    .filter((line) => line.trim() !== '' && !/\blevel=(?:info|warning)\b/.test(line));
  return lines.join(' ').slice(0, 500) || message;
}
