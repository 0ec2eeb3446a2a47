import { readdir } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';

/** The names in a directory; none when it is not there. Throws the Node.js error for anything else. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
