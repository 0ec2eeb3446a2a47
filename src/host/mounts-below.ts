import { readFile, realpath } from 'node:fs/promises';

/**
 * How many mounts lie below some directories, as this process sees them (proc_pid_mountinfo(5)).
 *
 * @param directories absolute; symlinks are followed.
 */
export async function mountsBelow(directories: readonly string[]): Promise<number> {
  return below(await tableOf('self'), await Promise.all(directories.map(realPath))).length;
}

/**
 * Where a process has mounts below a directory, as the kernel writes them.
 *
 * @param directory absolute; symlinks are followed.
 * @throws Error with an errno when the process is gone, or may not be looked at.
 */
export async function mountPointsBelow(
  directory: string,
  process: number | 'self',
): Promise<readonly string[]> {
  return below(await tableOf(process), [await realPath(directory)]);
}

async function tableOf(process: number | 'self'): Promise<string> {
  return await readFile(`/proc/${process}/mountinfo`, 'utf8');
}

function below(table: string, directories: readonly string[]): readonly string[] {
  const prefixes = directories.map((directory) => `${mountText(directory)}/`);
  const places = table.split('\n').map((line) => line.split(' ', 5)[4] ?? '');
  return places.filter((place) => prefixes.some((prefix) => place.startsWith(prefix)));
}

/** The kernel names mounts by paths without symlinks. A directory that is not there, or may not be looked at, is taken as it is written. */
export async function realPath(directory: string): Promise<string> {
  return await realpath(directory).catch(() => directory);
}

/** A path as the kernel writes it in a table of mounts: space, tab, newline and backslash in octal. */
export function mountText(path: string): string {
  return path.replaceAll(
    /[ \t\n\\]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}
