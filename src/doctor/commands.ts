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
}

/**
 * @param containerdAddress of k3s: its unit and its target of setup are meant.
 * @param config the daemon's configuration file, where one is named.
 */
export function commandsFor(options: {
  readonly isRoot: boolean;
  readonly containerdAddress: string;
  readonly config?: string | undefined;
}): Commands {
  const systemctl = options.isRoot ? 'systemctl' : 'systemctl --user';
  const journalctl = options.isRoot ? 'journalctl' : 'journalctl --user';
  const isK3s = options.containerdAddress.includes('/k3s/');
  const config = options.config === undefined ? '' : ` --config ${shellWord(options.config)}`;
  const setup = `nix-snapshotter setup --${isK3s ? 'k3s' : 'containerd'}${config}`;
  return {
    restartDaemon: `${systemctl} restart nix-snapshotter.service`,
    restartContainerd: `${systemctl} restart ${isK3s ? 'k3s' : 'containerd'}.service`,
    log: `${journalctl} --unit nix-snapshotter.service --lines 50`,
    setup,
    print: `${setup} --print`,
    again: `nix-snapshotter doctor${config}`,
  };
}

/** A text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
