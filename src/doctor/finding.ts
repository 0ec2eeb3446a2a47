/** `ok` is a fact that is as it should be; a `warning` works less well, or may; with an `error` something does not work. */
export type Level = 'ok' | 'warning' | 'error';

/** One thing that `doctor` has to say of this host. */
export interface Finding {
  /** Stable name of what was looked at and how it is, such as `daemon-unreachable`: for scripts, and for the table in the docs. */
  readonly id: string;
  readonly level: Level;
  /** What is the case, in one sentence that names the file, socket, program or setting. */
  readonly what: string;
  /** What comes of it; empty for `ok`. */
  readonly why: string;
  /** What to do: a setting in full, or what the commands do; empty for `ok`. */
  readonly fix: string;
  /** The fix as commands for a shell, where commands do it. */
  readonly commands: readonly string[];
}

/** A fact that is as it should be. */
export function fine(id: string, what: string): Finding {
  return { id, level: 'ok', what, why: '', fix: '', commands: [] };
}

/** What is not as it should be. */
export interface Trouble {
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  readonly commands?: readonly string[];
}

/** Something that does not work. */
export function failure(id: string, { commands = [], ...trouble }: Trouble): Finding {
  return { id, level: 'error', ...trouble, commands };
}

/** Something that works less well, or may. */
export function warning(id: string, { commands = [], ...trouble }: Trouble): Finding {
  return { id, level: 'warning', ...trouble, commands };
}
