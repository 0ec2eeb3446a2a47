import { open } from 'node:fs/promises';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';

/** Largest list of store paths that is read, in bytes: about 250,000 paths. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads a list of store paths, one per line (the `store-paths` file of `closureInfo`); empty lines are skipped.
 *
 * @returns sorted, each once.
 * @throws StatusError NotFound when it cannot be read, InvalidArgument naming the line that is no store path.
 */
export async function readClosureFile(path: string): Promise<readonly StorePath[]> {
  const paths = new Set<StorePath>();
  let number = 0;
  for (const line of (await readBounded(path)).split('\n')) {
    number++;
    if (line === '') continue;
    const storePath = parseStorePath(line);
    if (storePath === undefined) {
      throw new StatusError(
        'InvalidArgument',
        `${path}: line ${number}: ${JSON.stringify(line.slice(0, 300))} is not a store path`,
      );
    }
    paths.add(storePath);
  }
  return [...paths].toSorted();
}

async function readBounded(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_BYTES)
      throw new StatusError('ResourceExhausted', `it is ${size} bytes, more than ${MAX_BYTES}`);
    return await file.readFile('utf8');
  } catch (cause) {
    const code = cause instanceof StatusError ? cause.code : 'NotFound';
    throw new StatusError(code, `closure ${path}: cannot be read: ${messageOf(cause)}`, { cause });
  }
}
