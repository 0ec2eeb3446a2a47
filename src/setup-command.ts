import { loadAccessToken } from './resolver/access-token.ts';
import { runSetup } from './setup/run.ts';
import type { SetupOptions } from './setup/session.ts';

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
