import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { errnoOf, messageOf, StatusError } from '../../errors.ts';
import { endBeforeUs } from '../../host/oom-score.ts';
import { hidePasswords } from '../hidden-settings.ts';
import { LineSplitter } from '../line-splitter.ts';
import { cleanText } from '../../printable.ts';
import { programMissing } from '../run-nix.ts';

/** A two-way byte stream to one Nix daemon that serves one client. */
export interface Transport {
  readonly input: Readable;
  readonly output: Writable;
  /** What is at the other end, for messages. */
  readonly name: string;
  /** The last that a child process wrote on stderr; empty for a socket. */
  lastWords(): string;
  /** Says goodbye and waits for the end; what hangs is killed. */
  close(): Promise<void>;
  /** Ends it now, with whatever it does; resolves when nothing of it is left. */
  destroy(): Promise<void>;
}

export interface DaemonProgram {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const KILL_AFTER_MS = 5000;
const KEPT_LINES = 3;
const KEPT_TEXT = 500;

/** Nobody listens on the daemon's socket. */
export class NobodyListens extends StatusError {
  /** In Nix's own words. */
  readonly said: string;

  constructor(path: string, cause: unknown) {
    super('Unavailable', `Nix daemon's socket ${path}: ${messageOf(cause)}; start nix-daemon on this host`, {
      cause,
    });
    this.said = `error: cannot connect to socket at '${path}': ${messageOf(cause)}`;
  }
}

/** @throws NobodyListens; StatusError PermissionDenied when we may not connect. */
export async function connectSocket(path: string): Promise<Transport> {
  const socket = connect(path);
  const opened = Promise.withResolvers<void>();
  socket.once('connect', opened.resolve).once('error', opened.reject);
  try {
    await opened.promise;
  } catch (cause) {
    const denied = errnoOf(cause) === 'EACCES' || errnoOf(cause) === 'EPERM';
    if (!denied) throw new NobodyListens(path, cause);
    throw new StatusError(
      'PermissionDenied',
      `Nix daemon's socket ${path}: ${messageOf(cause)}; let this user connect, or run as root`,
      { cause },
    );
  }
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const destroy = async (): Promise<void> => {
    socket.destroy();
    await closed;
  };
  return {
    input: socket,
    output: socket,
    name: `socket ${path}`,
    lastWords: () => '',
    close: destroy,
    destroy,
  };
}

/**
 * Starts `nix-daemon --stdio`, which serves the store by itself.
 *
 * @throws StatusError FailedPrecondition when the program is absent.
 */
export async function spawnDaemon({ program, ...invocation }: DaemonProgram): Promise<Transport> {
  const { args, env } = hidePasswords(invocation);
  const child = spawn(program, args, { env, stdio: 'pipe', cwd: '/' });
  if (child.pid !== undefined) endBeforeUs(child.pid);
  const { stdin, stdout, stderr } = child;
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const started = Promise.withResolvers<void>();
  child.once('spawn', started.resolve).once('error', started.reject);
  try {
    await started.promise;
  } catch (cause) {
    throw programMissing(program, env, cause);
  }
  const words: string[] = [];
  const lines = new LineSplitter((line) => {
    words.push(cleanText(line).slice(0, KEPT_TEXT));
    if (words.length > KEPT_LINES) words.shift();
  });
  stderr.on('data', (chunk: Buffer) => lines.write(chunk));
  // The child may end while we write; reading tells the end.
  stdin.on('error', () => {});
  const ending = async (end: () => void): Promise<void> => {
    end();
    const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    // What a killed child leaves behind may hold the pipes open for as long as it likes.
    child.once('exit', () => stdout.destroy() && stderr.destroy());
    stdout.resume();
    await ended;
    clearTimeout(timer);
  };
  return {
    input: stdout,
    output: stdin,
    name: `${program} --stdio`,
    lastWords: () => words.join(' | '),
    close: () => ending(() => stdin.end()),
    destroy: () =>
      ending(() => {
        stdin.destroy();
        child.kill('SIGTERM');
      }),
  };
}
