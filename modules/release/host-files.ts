import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const PROGRAMS = ['nix-snapshotter', 'nix2container'] as const;

/**
 * The text of the program that is in PATH.
 *
 * @param directory where the program tree is on the machine.
 */
export async function wrapper(program: (typeof PROGRAMS)[number], directory: string): Promise<string> {
  const text = await readFile(new URL('wrapper.sh', import.meta.url), 'utf8');
  return text.replaceAll('@DIRECTORY@', directory).replace('@PROGRAM@', program);
}

/**
 * The units of examples/systemd, or of a folder in it, with programs that bring their Node in place of those of `/usr`.
 *
 * @param bin where these programs are on the machine.
 * @returns texts by name.
 */
export async function units(folder: string, bin: string): Promise<ReadonlyMap<string, string>> {
  const directory = join('examples/systemd', folder);
  const names = (await readdir(directory)).filter((name) => /\.(service|socket)$/.test(name));
  const texts = names.map(async (name): Promise<[string, string]> => {
    return [name, withPrograms(await readFile(join(directory, name), 'utf8'), bin)];
  });
  return new Map(await Promise.all(texts));
}

/** ExecStart as `node <program>.mjs` or as a program in `/usr/bin`. */
function withPrograms(unit: string, bin: string): string {
  return unit
    .replace(/^# Node 24 or newer\.\n/m, '')
    .replace(/^(ExecStart=)\S+ \S+\/([^/\s]+)\.mjs/m, `$1${bin}/$2`)
    .replace(/^(ExecStart=)\/usr\/bin\//m, `$1${bin}/`);
}
