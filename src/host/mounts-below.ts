import { readFile } from 'node:fs/promises';

/**
 * How many mounts lie below some directories, as this process sees them (proc_pid_mountinfo(5)).
 *
 * @param directories absolute, without symlinks.
 */
export async function mountsBelow(directories: readonly string[]): Promise<number> {
  const prefixes = directories.map((directory) => `${escaped(directory)}/`);
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const places = lines.map((line) => line.split(' ', 5)[4] ?? '');
  return places.filter((place) => prefixes.some((prefix) => place.startsWith(prefix))).length;
}

/** As the kernel writes a path: space, tab, newline and backslash in octal. */
function escaped(path: string): string {
  return path.replaceAll(
    /[ \t\n\\]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}
