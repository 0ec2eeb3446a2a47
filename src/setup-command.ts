import { loadAccessToken } from './resolver/access-token.ts';
import { runSetup, type SetupOptions } from './setup/run.ts';

/**
 * The `setup` command on this terminal.
 *
 * @throws StatusError what makes setup impossible; nothing is written then.
 */
export async function setupCommand(options: SetupOptions): Promise<void> {
  await runSetup(options, {
    env: process.env,
    uid: process.getuid?.() ?? 0,
    write: (text) => process.stdout.write(text),
    loadToken: loadAccessToken,
  });
}
