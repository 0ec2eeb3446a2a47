import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '../../src/errors.ts';

/** How a process ended: a code, or the signal that ended it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SandboxProcessOptions {
  readonly name: string;
  /** Host path of the file that gets its output. */
  readonly logFile: string;
}

/** A long-running program inside a sandbox. Its nsenter(1) parent on the host is what Node sees. */
export class SandboxProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #ended: Promise<Ending>;
  #ending: Ending | undefined;
  readonly #parent: ChildProcess;

  constructor(options: SandboxProcessOptions, deps: { parent: ChildProcess }) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.#parent = deps.parent;
    this.#ended = new Promise((resolve) => {
      deps.parent.once('exit', (code, signal) => {
        this.#ending = { code, signal };
        resolve(this.#ending);
      });
    });
  }

  /** Resolves once it has ended. Whoever waits keeps this process from ending; the program alone does not. */
  get ended(): Promise<Ending> {
    if (this.#ending === undefined) this.#parent.ref();
    return this.#ended;
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** Its process id on the host. */
  async pid(): Promise<number> {
    while (this.#parent.pid !== undefined && this.#ending === undefined) {
      const child = Number(await childOf(this.#parent.pid));
      if (child > 0) return child;
      await sleep(5);
    }
    throw new StatusError('FailedPrecondition', `${this.name} has ended: ${this.tail()}`);
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    process.kill(await this.pid(), signal);
  }

  /** SIGTERM, then waits for its end. One that takes longer than `timeout` ms gets SIGKILL. */
  async stop(timeout = 20_000): Promise<Ending> {
    if (this.#ending !== undefined) return this.#ending;
    await this.signal('SIGTERM');
    const patience = new AbortController();
    const ending = await Promise.race([
      this.ended,
      sleep(timeout, undefined, { signal: patience.signal, ref: false }).catch(() => undefined),
    ]);
    patience.abort();
    return ending ?? (await this.kill9());
  }

  async kill9(): Promise<Ending> {
    if (this.#ending === undefined) await this.signal('SIGKILL');
    return await this.ended;
  }

  /** Everything it has written so far. */
  async logs(): Promise<string> {
    return await readFile(this.logFile, 'utf8');
  }

  /** The last lines it wrote, for error messages. */
  tail(lines = 15): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}

async function childOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
}
