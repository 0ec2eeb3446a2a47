import { printable } from '../printable.ts';
import { type Distribution, type Installation, installing, type Needed } from './packages.ts';

/** Commands that fixes are made of, for this host's daemon and containerd. */
export interface Commands {
  readonly restartDaemon: string;
  readonly restartContainerd: string;
  /** What the daemon said last. */
  readonly log: string;
  /** Writes containerd's configuration. */
  readonly setup: string;
  /** Shows what setup would write. */
  readonly print: string;
  readonly again: string;
  /** How this host gets what it lacks. */
  readonly install: (needed: Needed) => Installation;
}

/**
 * @param containerdAddress of k3s: its unit and its target of setup are meant.
 * @param config the daemon's configuration file, where one is named.
 */
export function commandsFor(options: {
  readonly isRoot: boolean;
  readonly containerdAddress: string;
  readonly config?: string | undefined;
  /** Whether k3s is an agent here. */
  readonly isAgent?: boolean;
  readonly distribution?: Distribution;
}): Commands {
  const systemctl = options.isRoot ? 'systemctl' : 'systemctl --user';
  const journalctl = options.isRoot ? 'journalctl' : 'journalctl --user';
  const k3s = options.isAgent === true ? 'k3s-agent' : 'k3s';
  const isK3s = options.containerdAddress.includes('/k3s/');
  const config = options.config === undefined ? '' : ` --config ${shellWord(options.config)}`;
  const setup = `nix-snapshotter setup --${isK3s ? 'k3s' : 'containerd'}${config}`;
  return {
    restartDaemon: `${systemctl} restart nix-snapshotter.service`,
    restartContainerd: `${systemctl} restart ${isK3s ? k3s : 'containerd'}.service`,
    log: `${journalctl} --unit nix-snapshotter.service --lines 50`,
    setup,
    print: `${setup} --print`,
    again: `nix-snapshotter doctor${config}`,
    install: (needed) => installing(needed, options.distribution ?? 'other'),
  };
}

/**
 * A text as one word of a shell, in which what a terminal would act on is written as escapes (bash, zsh, busybox, ksh; POSIX.1-2024,
 * 2.2.4).
 */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (printable(text).replaceAll('\n', '') === text) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const bytes = [...Buffer.from(text)].map((byte) => {
    const char = String.fromCodePoint(byte);
    return /[\w@%+=:,./ -]/.test(char) ? char : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  return `$'${bytes.join('')}'`;
}
