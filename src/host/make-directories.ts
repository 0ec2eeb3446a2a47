import { mkdir } from 'node:fs/promises';
import { sep } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Makes a directory with `mode` less the umask, and those above it with 0755 less the umask, as systemd makes them: they are not the
 * caller's alone. What is there stays as it is.
 * Node's own recursive mkdir never returns where the kernel answers ENOENT below a directory that exists (procfs, a
 * directory that was removed).
 *
 * @param path absolute.
 * @throws the Node.js error of the first one that cannot be made.
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  const names = path.split(sep).filter((part) => part !== '');
  let made = '';
  for (const [at, name] of names.entries()) {
    made += sep + name;
    try {
      await mkdir(made, { mode: at === names.length - 1 ? mode : 0o755 });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}
