import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Whether records are missing from a database, from before the moment at which it no longer shows that itself until they are made again: a
 * daemon that is killed meanwhile would take the directories of these for garbage at its next start.
 *
 * A file beside the database says so, and LevelDB's log: what LevelDB leaves out of a journal that it cannot read it writes there, and
 * nowhere else. The log of the run before counts, too, for that run may have been killed.
 */
export class LossMark {
  readonly #directory: string;
  readonly #file: string;
  readonly #logs: readonly string[];

  /** @param directory the database. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#file = `${directory}.lost`;
    this.#logs = ['LOG', 'LOG.old'].map((name) => join(directory, name));
  }

  /** To be asked when the database is open. Throws what Node.js throws. */
  isSet(): boolean {
    return existsSync(this.#file) || this.#logs.some(saysLoss);
  }

  /**
   * Sets the mark where the journal is gone. To be asked before the database is opened, which makes a new one: LevelDB keeps one at all
   * times, and does without it in silence. Throws what Node.js throws.
   */
  setIfJournalIsGone(): void {
    if (!existsSync(join(this.#directory, 'CURRENT'))) return;
    if (!readdirSync(this.#directory).some((name) => name.endsWith('.log'))) this.set();
  }

  /** On disk when this returns. Throws what Node.js throws. */
  set(): void {
    closeSync(openSync(this.#file, 'w', 0o600));
    const parent = openSync(dirname(this.#file), 'r');
    try {
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
  }

  /** Throws what Node.js throws. */
  clear(): void {
    for (const log of this.#logs.filter(saysLoss)) rmSync(log);
    rmSync(this.#file, { force: true });
  }
}

function saysLoss(log: string): boolean {
  try {
    return /dropping \d+ bytes/.test(readFileSync(log, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
