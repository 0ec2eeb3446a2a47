import { readFileSync } from 'node:fs';
import { errnoOf } from '../errors.ts';

/** Another text after each start of the host. Source: Linux `Documentation/admin-guide/sysctl/kernel.rst` (random). */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** True when the file says that it was written since the host was started; one that is torn or not there was not. */
export function isOfThisBoot(file: string): boolean {
  try {
    return readFileSync(file, 'utf8') === bootId();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
