import { execa } from 'execa';
import { StatusError } from '../../src/errors.ts';

/**
 * The time that packages are dated with, in seconds: `SOURCE_DATE_EPOCH`, else that of the last commit. See
 * https://reproducible-builds.org/specs/source-date-epoch/.
 *
 * @throws StatusError InvalidArgument when it is set and no number; FailedPrecondition where there is neither.
 */
export async function sourceDateEpoch(env: NodeJS.ProcessEnv): Promise<number> {
  const given = env['SOURCE_DATE_EPOCH'];
  if (given !== undefined) {
    if (!/^\d{1,12}$/.test(given))
      throw new StatusError('InvalidArgument', `SOURCE_DATE_EPOCH=${given}: not a number of seconds`);
    return Number(given);
  }
  const { stdout, failed } = await execa('git', ['log', '-1', '--format=%ct'], { reject: false });
  if (failed || !/^\d+$/.test(stdout)) {
    throw new StatusError('FailedPrecondition', 'no commit to date the package with: set SOURCE_DATE_EPOCH');
  }
  return Number(stdout);
}
