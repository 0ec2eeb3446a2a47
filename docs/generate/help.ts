import { execa } from 'execa';
import { projectRoot } from '../../test/sandbox/layout.ts';

export const PROGRAMS = ['nix-snapshotter', 'nix2container'] as const;
export type Program = (typeof PROGRAMS)[number];

/** What `--help` says of a command; `command` is empty for the program itself. */
export interface CommandHelp {
  readonly program: Program;
  readonly command: string;
  readonly text: string;
}

const asked = new Map<Program, Promise<readonly CommandHelp[]>>();

/** The help of every command of a program, the program's own first; each is asked once. */
export async function helpOf(program: Program): Promise<readonly CommandHelp[]> {
  const known = asked.get(program) ?? askAll(program);
  asked.set(program, known);
  return await known;
}

async function askAll(program: Program): Promise<readonly CommandHelp[]> {
  const top = await help(program, '');
  return [top, ...(await Promise.all(commandsIn(top).map((command) => help(program, command))))];
}

/** Commands are what yargs lists: `  <program> <command> …  <description>`. */
function commandsIn({ program, text }: CommandHelp): readonly string[] {
  return [...text.matchAll(new RegExp(`^ {2}${program} ([a-z][a-z-]*)`, 'gm'))].map(([, name]) => name ?? '');
}

/** Neither the language, the width of a terminal nor containerd's variables of whoever asks show in it. */
async function help(program: Program, command: string): Promise<CommandHelp> {
  const { PATH } = process.env;
  const { stdout } = await execa(
    process.execPath,
    [`cmd/${program}.ts`, ...(command === '' ? [] : [command]), '--help'],
    { cwd: projectRoot, env: { PATH, LC_ALL: 'C' }, extendEnv: false },
  );
  return { program, command, text: stdout.trimEnd().replaceAll(/[ \t]+$/gm, '') };
}
