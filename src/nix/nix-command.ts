import { besideOf, environment, type NixStoreOptions, settingsOf } from './nix-options.ts';
import { RealiseLog } from './realise-log.ts';
import { runNix } from './run-nix.ts';

export interface NixCommandResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** Its last error, in one line. */
  readonly said: string;
}

const MAX_ANSWER = 256 * 1024;
const COMMANDS = ['--extra-experimental-features', 'nix-command'];

/** The program `nix` with our settings, but for the store: which one it is about each call says. */
export class NixCommand {
  readonly program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #settings: readonly string[];

  constructor(options: NixStoreOptions, { env }: { readonly env: NodeJS.ProcessEnv }) {
    this.program = besideOf(options.program ?? 'nix-store', 'nix');
    this.#env = environment(env);
    const { store: _, ...others } = options;
    this.#settings = settingsOf(others);
  }

  /** @throws StatusError FailedPrecondition when `nix` is absent, Cancelled. */
  async run(args: readonly string[], signal: AbortSignal): Promise<NixCommandResult> {
    const log = new RealiseLog();
    const { exitCode, stdout } = await runNix({
      program: this.program,
      args: [...args, ...COMMANDS, ...this.#settings],
      env: this.#env,
      maxOutput: MAX_ANSWER,
      signal,
      onLine: (line) => {
        log.add(line);
      },
    });
    const errors = log.record().messages.filter((message) => message.startsWith('error'));
    return { exitCode, stdout, said: errors.at(-1) ?? `nix ended with exit status ${exitCode ?? 'unknown'}` };
  }
}
