import { connect } from 'node:net';
import { existsSync } from 'node:fs';
import { StatusError } from '../../src/errors.ts';
import { SNAPSHOTTER_ROOT, SNAPSHOTTER_SOCKET } from './containerd.ts';
import { inside, projectRoot } from './layout.ts';
import type { Ending, SandboxProcess } from './process.ts';
import type { Sandbox } from './sandbox.ts';
import { waitFor } from './wait-for.ts';

const BUNDLE = 'dist/nix-snapshotter.mjs';

/** Of a configuration: GC roots go with what they were made for. */
export const KEEP_NOTHING = '[gc]\ngrace = "0s"\n';

export interface SnapshotterOptions {
  /** Tells daemons of one sandbox apart: names the log and the configuration file. */
  readonly name?: string;
  /** Text of its configuration file; none unless told. */
  readonly config?: string;
  readonly root?: string;
  readonly socket?: string;
  readonly logLevel?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program that runs node: `unshare` and its flags, say. */
  readonly wrapper?: readonly string[];
  /** Flags for node itself, before the program. */
  readonly nodeFlags?: readonly string[];
  /** The program inside, in place of the bundle. */
  readonly program?: string;
  /** Further flags of the daemon. */
  readonly args?: readonly string[];
}

/**
 * Starts our bundled daemon inside a sandbox and waits until it accepts connections.
 *
 * @throws StatusError FailedPrecondition when there is no bundle, or when the daemon ends at its start.
 */
export async function startSnapshotter(
  node: Sandbox,
  options: SnapshotterOptions = {},
): Promise<Snapshotter> {
  if (!existsSync(`${projectRoot}/${BUNDLE}`)) {
    throw new StatusError('FailedPrecondition', `${BUNDLE} is missing: run "npm run build"`);
  }
  if (options.config !== undefined) await node.writeFile(configFile(options), options.config);
  const snapshotter = new Snapshotter(options, { node });
  await snapshotter.start();
  return snapshotter;
}

/** Our daemon in a sandbox. */
export class Snapshotter {
  readonly socket: string;
  readonly root: string;
  readonly #options: SnapshotterOptions;
  readonly #node: Sandbox;
  #process: SandboxProcess | undefined;

  constructor(options: SnapshotterOptions, deps: { node: Sandbox }) {
    this.socket = options.socket ?? SNAPSHOTTER_SOCKET;
    this.root = options.root ?? SNAPSHOTTER_ROOT;
    this.#options = options;
    this.#node = deps.node;
  }

  /** The daemon's process. */
  get process(): SandboxProcess {
    if (this.#process === undefined) throw new Error('the snapshotter was not started');
    return this.#process;
  }

  async start(): Promise<void> {
    const { name = 'nix-snapshotter', env } = this.#options;
    await this.#node.exec(['mkdir', '-p', this.socket.slice(0, this.socket.lastIndexOf('/'))]);
    this.#process = this.#node.spawn(name, this.command, env);
    await this.ready();
  }

  /** The program with its arguments. */
  get command(): readonly string[] {
    const { config, logLevel, wrapper = [], nodeFlags = [], args = [] } = this.#options;
    const { program = `${inside.project}/${BUNDLE}` } = this.#options;
    const flags = ['--address', this.socket, '--root', this.root, '--log-level', logLevel ?? 'debug'];
    if (config !== undefined) flags.push('--config', configFile(this.#options));
    return [...wrapper, 'node', ...nodeFlags, program, ...flags, ...args];
  }

  /** Waits until it accepts connections. */
  async ready(): Promise<void> {
    await waitFor(this.process, async () => await accepts(this.#node.hostPath(this.socket)));
  }

  /** SIGTERM, then waits for its end. */
  async stop(): Promise<Ending> {
    return await this.process.stop();
  }

  async kill9(): Promise<Ending> {
    return await this.process.kill9();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async logs(): Promise<string> {
    return await this.process.logs();
  }
}

function configFile({ name = 'config' }: SnapshotterOptions): string {
  return `/etc/nix-snapshotter/${name}.toml`;
}

/** Whether somebody listens on a unix socket. */
export async function accepts(socket: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
