import { withoutPasswords } from './substituter-answers.ts';

/** How a Nix program is called. */
export interface Invocation {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Takes settings with a password in them out of the arguments, which every user of this host can read (proc_pid_cmdline(5)), and puts
 * them into `NIX_CONFIG`, which only the process's own user can. Nix takes both alike: nix.conf(5), "NIX_CONFIG"; a setting that is a
 * flag, such as `--store`, is the setting of that name.
 */
export function hidePasswords({ args, env }: Invocation): Invocation {
  const shown: string[] = [];
  const hidden = env['NIX_CONFIG'] === undefined ? [] : [env['NIX_CONFIG']];
  for (let at = 0; at < args.length; at += 1) {
    const setting = settingAt(args, at);
    if (setting === undefined || !isSecret(setting.value)) {
      shown.push(args[at] ?? '');
      continue;
    }
    hidden.push(`${setting.name} = ${setting.value}`);
    at += setting.words - 1;
  }
  if (shown.length === args.length) return { args, env };
  return { args: shown, env: { ...env, NIX_CONFIG: hidden.join('\n') } };
}

function settingAt(
  args: readonly string[],
  at: number,
): { readonly name: string; readonly value: string; readonly words: number } | undefined {
  const [flag, second = '', third = ''] = args.slice(at, at + 3);
  if (flag === '--option') return { name: second, value: third, words: 3 };
  return flag === '--store' ? { name: 'store', value: second, words: 2 } : undefined;
}

/** What is no line of nix.conf stays where it is; an address cannot have such characters before its host. */
function isSecret(value: string): boolean {
  return withoutPasswords(value) !== value && !/[#\n]/.test(value);
}
