import { mkdir } from 'node:fs/promises';
import { sep } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Makes a directory and those above it, each with `mode` less the umask; what is there stays as it is.
 * Node's own recursive mkdir never returns where the kernel answers ENOENT below a directory that exists (procfs, a
 * directory that was removed).
 *
 * @param path absolute.
 * @throws the Node.js error of the first one that cannot be made.
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  let made = '';
  for (const name of path.split(sep).filter((part) => part !== '')) {
    made += sep + name;
    try {
      await mkdir(made, { mode });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}
