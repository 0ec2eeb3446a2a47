import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors.ts';

/**
 * Of the mounts that `fs.mount-max` allows so many are left for others: containerd makes a few for each container, and those that
 * a process cannot reach from its root are counted by the kernel alone.
 */
const SPARE = 16;
const NO_SPACE = /No space left on device/;
const NEWLINE = 10;

/**
 * The number of mounts in this mount namespace, where hardly one more fits in; undefined where there is room.
 * Source: kernel `Documentation/admin-guide/sysctl/fs.rst`, `mount-max`.
 */
export async function mountsAtLimit(): Promise<number | undefined> {
  const limit = Number(await readFile('/proc/sys/fs/mount-max', 'utf8'));
  let mounts = 0;
  for await (const chunk of createReadStream('/proc/self/mountinfo')) {
    for (const byte of chunk as Buffer) if (byte === NEWLINE) mounts += 1;
  }
  return mounts + SPARE > limit ? mounts : undefined;
}

/** {@link mountsAtLimit} where a mount has failed for want of "space"; undefined for any other failure. */
export async function mountsThatFailed(error: unknown): Promise<number | undefined> {
  return NO_SPACE.test(messageOf(error)) ? await mountsAtLimit() : undefined;
}
