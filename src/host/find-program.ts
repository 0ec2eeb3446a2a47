import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a program is in PATH; undefined when it is in none of its absolute directories. */
export function findProgram(name: string, { PATH: path = '' }: NodeJS.ProcessEnv): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
