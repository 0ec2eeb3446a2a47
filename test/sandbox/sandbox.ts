import { execa } from 'execa';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StatusError } from '../../src/errors.ts';
import { REMOVE, hierarchies, makeCgroups, planCgroups } from './cgroups.ts';
import { type DebianBase, type Suite, debianBase } from './debian-base.ts';
import { enterCommand, environmentInside } from './enter.ts';
import { goBinDir, projectRoot, runDir } from './layout.ts';
import { NIX_CONF } from './nix-conf.ts';
import { SandboxProcess } from './process.ts';
import { identify } from './process-identity.ts';
import { type SandboxState, destroy, isNeeded, readStates, register, writeState } from './state.ts';

export interface UpOptions {
  readonly suite: Suite;
  /** First part of its id. */
  readonly name?: string;
  /** The Debian folder it is made of; the suite's own unless told. */
  readonly base?: DebianBase;
  /** Lives on after this process has ended, until `down`. */
  readonly detached?: boolean;
  /** Told each thing that takes long, in one line. */
  readonly log?: (line: string) => void;
}

export interface ExecOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds; 120,000 unless told. What runs longer is killed. */
  readonly timeout?: number;
  /** Whether a non-zero exit code is thrown; true unless told. */
  readonly reject?: boolean;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A complete node of its own: root file system, processes, network, cgroups. Ends with this process, unless detached. */
export class Sandbox {
  readonly id: string;
  readonly suite: Suite;
  /** Its folder on the host. */
  readonly dir: string;
  /** Host process id of its PID 1. */
  readonly pid: number;
  /** Debian version of every package in it. */
  readonly versions: Readonly<Record<string, string>>;
  readonly #state: SandboxState;

  constructor(
    options: { pid: number; versions: Readonly<Record<string, string>> },
    deps: { state: SandboxState },
  ) {
    this.id = deps.state.id;
    this.suite = deps.state.suite;
    this.dir = `${runDir}/${this.id}`;
    this.pid = options.pid;
    this.versions = options.versions;
    this.#state = deps.state;
  }

  /**
   * Brings up a node.
   *
   * @throws StatusError FailedPrecondition when its Debian folder or its namespaces cannot be made.
   */
  static async up(options: UpOptions): Promise<Sandbox> {
    const base = options.base ?? (await debianBase(options.suite, options.log));
    const id = `${options.name ?? options.suite}-${randomBytes(3).toString('hex')}`;
    const owner = identify(process.pid);
    if (owner === undefined) throw new StatusError('Internal', 'cannot read /proc/self/stat');
    let state: SandboxState = {
      id,
      suite: options.suite,
      detached: options.detached === true,
      created: new Date().toISOString(),
      owner,
      cgroups: planCgroups(hierarchies(), id),
    };
    await register(state);
    try {
      await makeCgroups(state.cgroups);
      await seed(id);
      state = await supervise(state, base.dir);
      await writeState(state);
    } catch (error) {
      await destroy(id, state);
      throw error;
    }
    return Sandbox.#of(state, base.versions);
  }

  /**
   * A running sandbox of any owner, by its id.
   *
   * @throws StatusError NotFound when there is none.
   */
  static async open(id: string): Promise<Sandbox> {
    const state = (await readStates()).get(id);
    if (state?.init === undefined || !isNeeded(state)) {
      throw new StatusError('NotFound', `no sandbox ${id} is running; see "npm run sandbox -- list"`);
    }
    return Sandbox.#of(state, (await debianBase(state.suite)).versions);
  }

  static #of(state: SandboxState, versions: Readonly<Record<string, string>>): Sandbox {
    if (state.init === undefined) throw new StatusError('Internal', `sandbox ${state.id} has no PID 1`);
    return new Sandbox({ pid: state.init.pid, versions }, { state });
  }

  /**
   * Runs a program inside to its end. stdout and stderr are returned without their last newline.
   *
   * @throws StatusError Unknown with its last words when it fails (unless `reject` is false);
   *   DeadlineExceeded when it takes too long.
   */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const [file, ...args] = enterCommand(this.pid, this.#state.cgroups, [
      'setpriv',
      '--pdeathsig',
      'KILL',
      ...command,
    ]);
    const timeout = options.timeout ?? 120_000;
    const result = await execa(file, args, {
      input: options.input ?? '',
      env: environmentInside(options.env),
      extendEnv: false,
      timeout,
      killSignal: 'SIGKILL',
      reject: false,
      maxBuffer: 256 * 1024 * 1024,
    });
    const { stdout, stderr, exitCode } = result;
    const said = `${stdout}\n${stderr}`.trim().slice(-4000);
    const named = `"${command.join(' ').slice(0, 300)}" in sandbox ${this.id}`;
    if (result.timedOut)
      throw new StatusError('DeadlineExceeded', `${named} took over ${timeout} ms: ${said}`);
    if (result.failed && (exitCode === undefined || options.reject !== false)) {
      const how = exitCode === undefined ? result.shortMessage : `exit code ${exitCode}`;
      throw new StatusError('Unknown', `${named} failed (${how}): ${said}`);
    }
    return { stdout, stderr, exitCode: exitCode ?? 0 };
  }

  /** Runs a shell text inside to its end, stopping at the first failure. */
  async sh(text: string, options: ExecOptions = {}): Promise<ExecResult> {
    return await this.exec(['sh', '-euc', text], options);
  }

  /** Starts a program that goes on; its output is appended to `/var/log/<name>.log` inside. */
  spawn(name: string, command: readonly string[], env?: Readonly<Record<string, string>>): SandboxProcess {
    const logFile = `${this.dir}/log/${name}.log`;
    const output = openSync(logFile, 'a');
    const [file, ...args] = enterCommand(this.pid, this.#state.cgroups, command);
    const parent = spawn(file, args, {
      detached: true,
      env: environmentInside(env),
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    parent.unref();
    return new SandboxProcess({ name, logFile }, { parent });
  }

  /** Runs a program inside on this terminal. Returns its exit code. */
  async interactive(command: readonly string[]): Promise<number> {
    const [file, ...args] = enterCommand(this.pid, this.#state.cgroups, command);
    const env = environmentInside({ TERM: process.env['TERM'] ?? 'dumb' });
    const { exitCode } = await execa(file, args, { stdio: 'inherit', env, extendEnv: false, reject: false });
    return exitCode ?? 1;
  }

  /** Where a path inside is for programs on the host; short enough for unix sockets. */
  hostPath(path: string): string {
    return `/proc/${this.pid}/root${path}`;
  }

  /** Writes a file inside; its directory is made. */
  async writeFile(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const host = this.hostPath(path);
    await mkdir(host.slice(0, host.lastIndexOf('/')), { recursive: true });
    await writeFile(host, content, { mode });
  }

  async readFile(path: string): Promise<string> {
    return await readFile(this.hostPath(path), 'utf8');
  }

  /** Copies a host file or directory to the inside. */
  async copyIn(hostSource: string, path: string): Promise<void> {
    await cp(hostSource, this.hostPath(path), { recursive: true });
  }

  /** Ends it: processes, mounts, cgroups and files. */
  async down(): Promise<void> {
    await destroy(this.id, this.#state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

/** Files of a fresh root that differ from Debian's. */
async function seed(id: string): Promise<void> {
  const dir = `${runDir}/${id}`;
  for (const name of ['data', 'log', 'seed/etc/nix']) await mkdir(`${dir}/${name}`, { recursive: true });
  await mkdir(goBinDir, { recursive: true });
  await writeFile(`${dir}/seed/etc/hostname`, `${id}\n`);
  await writeFile(`${dir}/seed/etc/nix/nix.conf`, NIX_CONF);
}

async function supervise(state: SandboxState, base: string): Promise<SandboxState> {
  const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const dir = `${runDir}/${state.id}`;
  const log = openSync(`${dir}/log/supervisor.log`, 'a');
  const child = spawn(
    'sh',
    [script('supervisor.sh'), script('init.sh'), dir, base, state.detached ? 'detached' : 'stdin'],
    {
      detached: true,
      cwd: '/',
      stdio: [state.detached ? 'ignore' : 'pipe', 'pipe', log],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        PLAN: state.cgroups
          .map(({ dir: own, processes, mountPoint, version, options }) =>
            [own, processes, mountPoint, version, options].join(' '),
          )
          .join('\n'),
        REMOVE,
        PROJECT: projectRoot,
        TOOLS: goBinDir,
        NODE: process.execPath,
        SANDBOX_ID: state.id,
      },
    },
  );
  closeSync(log);
  const supervisor = child.pid === undefined ? undefined : identify(child.pid);
  const ready = await firstLine(child.stdout);
  const init = /^ready (\d+)$/.exec(ready)?.[1];
  const identity = init === undefined ? undefined : identify(Number(init));
  if (identity === undefined || supervisor === undefined) {
    const text = await readFile(`${dir}/log/supervisor.log`, 'utf8');
    throw new StatusError('FailedPrecondition', `sandbox ${state.id} did not come up: ${text.trim()}`);
  }
  // Neither the process nor its pipes keep this process from ending: its end is what ends the sandbox.
  child.unref();
  child.stdout?.destroy();
  if (child.stdin !== null && 'unref' in child.stdin) (child.stdin as unknown as { unref(): void }).unref();
  return { ...state, supervisor, init: identity };
}

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  if (stream === null) return text;
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return text.split('\n', 1)[0] ?? '';
}
