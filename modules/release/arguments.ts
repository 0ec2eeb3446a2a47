import { errnoOf, messageOf, StatusError } from '../../src/errors.ts';
import { RELEASE_PLATFORMS, type ReleasePlatform } from './platforms.ts';

/** The architecture of this machine, as `--arch` takes it. */
export const OWN_ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';

/**
 * What `--arch` names.
 *
 * @throws StatusError InvalidArgument that lists the architectures.
 */
export function platformArgument(value: string): ReleasePlatform {
  const platform = RELEASE_PLATFORMS.find(({ arch }) => arch === value);
  if (platform !== undefined) return platform;
  const known = RELEASE_PLATFORMS.map(({ arch }) => arch).join(' or ');
  throw new StatusError('InvalidArgument', `--arch ${value}: ${known}`);
}

/** One of several words that a flag takes. */
export function wordArgument<Word extends string>(flag: string, value: string, words: readonly Word[]): Word {
  const word = words.find((one) => one === value);
  if (word !== undefined) return word;
  throw new StatusError('InvalidArgument', `${flag} ${value}: ${words.join(' or ')}`);
}

/** Runs a packaging command: what goes wrong is one line on stderr, and exit code 1; 2 for flags that there are not. */
export async function runCommand(command: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${await command()}\n`);
  } catch (error) {
    const isMisuse = errnoOf(error)?.startsWith('ERR_PARSE_ARGS') === true;
    if (!(error instanceof StatusError) && !isMisuse) throw error;
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = isMisuse ? 2 : 1;
  }
}

/** A size for people. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
