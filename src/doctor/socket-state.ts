import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { errnoOf } from '../errors.ts';

/** What there is at the path of a socket. */
export interface SocketState {
  /** `stale`: a socket on which nobody listens. `denied`: it cannot be seen or opened by this user. */
  readonly kind: 'absent' | 'other' | 'stale' | 'denied' | 'silent' | 'open';
  /** Permission bits; undefined where it cannot be seen. */
  readonly mode?: number;
  /** User id of its owner. */
  readonly owner?: number;
}

/** Looks at a socket and connects to it. */
export async function socketState(path: string, signal: AbortSignal): Promise<SocketState> {
  let seen: { readonly mode: number; readonly owner: number };
  try {
    const found = await lstat(path);
    seen = { mode: found.mode & 0o7777, owner: found.uid };
    if (!found.isSocket()) return { kind: 'other', ...seen };
  } catch (error) {
    return { kind: ['EACCES', 'EPERM'].includes(errnoOf(error) ?? '') ? 'denied' : 'absent' };
  }
  return { kind: await connected(path, signal), ...seen };
}

async function connected(path: string, signal: AbortSignal): Promise<SocketState['kind']> {
  const { promise, resolve } = Promise.withResolvers<SocketState['kind']>();
  const connection = connect(path);
  connection.once('connect', () => resolve('open'));
  connection.once('error', (error) => {
    const errno = errnoOf(error) ?? '';
    resolve(['EACCES', 'EPERM'].includes(errno) ? 'denied' : errno === 'EAGAIN' ? 'silent' : 'stale');
  });
  signal.addEventListener('abort', () => resolve('silent'), { once: true });
  const kind = await promise;
  connection.destroy();
  return kind;
}

/** A process that listens on a unix socket. */
export interface Listener {
  readonly pid: number;
  readonly command: string;
}

/** Who listens at a path, as far as this user can see it (proc(5), `/proc/net/unix`). */
export async function listenerOf(path: string): Promise<Listener | undefined> {
  const table = await readFile('/proc/net/unix', 'utf8').catch(() => '');
  const inodes = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[7] === path)
    .map((fields) => `socket:[${fields[6]}]`);
  if (inodes.length === 0) return undefined;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const file of files) {
      const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
      if (inodes.includes(target)) return { pid: Number(pid), command: await commandOf(pid) };
    }
  }
  return undefined;
}

/** The program alone: arguments may hold secrets. */
async function commandOf(pid: string): Promise<string> {
  return await readlink(`/proc/${pid}/exe`).catch(() => 'a program that cannot be seen');
}
