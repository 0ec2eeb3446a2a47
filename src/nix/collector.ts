import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf } from '../errors.ts';

/** Nobody collects, or the collection that did has ended. */
const NOBODY: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** Where Nix's garbage collector takes further roots while it runs (nix `src/libstore/gc.cc`; Nix 2.5 or newer, Lix). */
export function collectorSocket(realStoreDir: string): string {
  return join(dirname(realStoreDir), 'var', 'nix', 'gc-socket', 'socket');
}

/**
 * Has a garbage collection that runs now spare a path, and with it what the path refers to, and waits for its end: it may have
 * decided about the path before. A collection listens before it reads the roots: one that does not listen yet finds a root
 * that was made before this call.
 *
 * @returns `nobody` when none runs; `runs` when it still does after `withinMs` milliseconds, or when the caller goes.
 */
export async function spareFromCollection(
  socketPath: string,
  path: StorePath,
  withinMs: number,
  signal: AbortSignal | undefined,
): Promise<'nobody' | 'ended' | 'runs'> {
  const { promise, resolve } = Promise.withResolvers<'nobody' | 'ended' | 'runs'>();
  const giveUp = (): void => resolve('runs');
  const socket = connect(socketPath, () => socket.write(`${path}\n`));
  const timer = setTimeout(giveUp, withinMs);
  socket.resume().once('end', () => resolve('ended'));
  socket.once('error', (error) => resolve(NOBODY.has(errnoOf(error)) ? 'nobody' : 'runs'));
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', giveUp);
    clearTimeout(timer);
    socket.destroy();
  }
}
