import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testbedRoot } from '../sandbox/layout.ts';
import type { Subject } from './snapshotter/subject.ts';

/** On the disk of the checkout: an upper directory of overlayfs cannot be on tmpfs or overlayfs. */
const ROOTS = join(testbedRoot, 'contract');
/** What a shell runs: a umask that would spoil the modes of directories, then the server in the shell's place. */
const UNDER_UMASK = 'umask 077; exec "$@"';
const POLL_MS = 10;

export interface ServerProcess extends Subject {
  /** Of the process that serves now. */
  readonly pid: number;
}

/**
 * Runs a snapshotter in a mount namespace of its own, with a fresh root directory, until it is disposed of.
 *
 * @param command the program and its arguments for a root directory and a socket path.
 */
export async function startServer(
  command: (root: string, socket: string) => readonly string[],
): Promise<ServerProcess> {
  await mkdir(ROOTS, { recursive: true });
  await removeAbandoned();
  const root = await mkdtemp(join(await realpath(ROOTS), `${process.pid}-`));
  const sockets = await mkdtemp(join(tmpdir(), 'snapshotter-'));
  const address = join(sockets, 's.sock');
  let child = await start(command(root, address), address);
  return {
    address,
    root,
    get pid() {
      return child.pid ?? 0;
    },
    async restart() {
      await stop(child);
      child = await start(command(root, address), address);
    },
    async [Symbol.asyncDispose]() {
      try {
        await stop(child);
      } finally {
        await rm(sockets, { recursive: true, force: true });
        await rm(root, { recursive: true, force: true });
      }
    },
  };
}

/** Removes what test processes that are gone have left: directories carry the id of the process that made them. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(ROOTS)) {
    const [pid = ''] = name.split('-');
    if (!existsSync(join('/proc', pid))) await rm(join(ROOTS, name), { recursive: true, force: true });
  }
}

/** The server dies with this process, whatever way that ends. */
async function start(command: readonly string[], address: string): Promise<ChildProcess> {
  const namespace = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation', 'private'];
  const child = spawn('setpriv', [...namespace, 'sh', '-c', UNDER_UMASK, 'sh', ...command], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = new AbortController();
  child.once('exit', () => exited.abort());
  while (!(await accepts(address))) {
    if (exited.signal.aborted) throw new Error(`${command.join(' ')} ended before it listened on ${address}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    throw new Error(`the server ended by itself: ${child.exitCode ?? child.signalCode}`);
  }
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function accepts(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(address);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
