import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { StatusError } from '../../src/errors.ts';
import { locksDir } from './layout.ts';

/**
 * Runs `work` while holding the machine-wide lock `name`. The lock belongs to a flock(1) child that ends
 * with this process, so a killed holder never leaves it behind.
 *
 * @throws StatusError FailedPrecondition when flock(1) cannot take the lock at all.
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  await mkdir(locksDir, { recursive: true });
  const file = `${locksDir}/${name}`;
  const holder = spawn('flock', ['--exclusive', '--no-fork', file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = once(holder, 'exit');
  await Promise.race([once(holder.stdout, 'data'), ended]);
  if (holder.exitCode !== null) {
    throw new StatusError('FailedPrecondition', `cannot lock ${file}: flock ended with ${holder.exitCode}`);
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
