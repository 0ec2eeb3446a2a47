import type { CommandHelp, Program } from './help.ts';

/** An option, as `--help` lists it. */
export interface OptionHelp {
  /** With its dashes: `-a`. */
  readonly short: string | undefined;
  /** With its dashes: `--address`. */
  readonly long: string;
  readonly description: string;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly default: string | undefined;
  readonly isRequired: boolean;
}

export interface ParsedHelp {
  readonly program: Program;
  /** Empty for the program itself. */
  readonly command: string;
  /** The first line: the command with what is given to it. */
  readonly usage: string;
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly positionals: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionHelp[];
  readonly examples: readonly { readonly command: string; readonly description: string }[];
  /** What comes last: exit codes. */
  readonly epilogue: string;
}

const SECTIONS = ['Commands', 'Positionals', 'Options', 'Examples'] as const;
type Section = (typeof SECTIONS)[number];
/** What yargs says of an option in brackets, after its description. */
const TAG =
  /\[(boolean|string|number|array|required|default|choices: [^\]]*|default: (?:\[[^\]]*\]|"[^"]*"|[^\]"]*))\]/g;

/** Reads what yargs prints for `--help`. */
export function parseHelp({ program, command, text }: CommandHelp): ParsedHelp {
  const [first = '', ...paragraphs] = text.split(/\n{2,}/);
  const sections = new Map<Section, readonly string[]>();
  const prose: string[] = [];
  for (const paragraph of paragraphs) {
    const [head = '', ...lines] = paragraph.split('\n');
    const section = SECTIONS.find((name) => head === `${name}:`);
    if (section === undefined) prose.push(paragraph.replaceAll(/\s+/g, ' '));
    else sections.set(section, joined(lines));
  }
  const isLast = paragraphs.at(-1)?.startsWith('Exit codes') === true;
  return {
    program,
    command,
    usage: first.replaceAll(/\s+/g, ' '),
    description: (isLast ? prose.slice(0, -1) : prose).join(' '),
    commands: (sections.get('Commands') ?? []).map((line) => {
      const [what = '', ...words] = line.split(/ {2,}/);
      const name = /^\S+ ([a-z][a-z-]*)/.exec(what)?.[1] ?? '';
      return { name, description: withoutTags(words.join(' ')) };
    }),
    positionals: (sections.get('Positionals') ?? []).map(named),
    options: (sections.get('Options') ?? []).map(optionOf),
    examples: (sections.get('Examples') ?? []).map((line) => {
      const { name, description } = named(line);
      return { command: name, description };
    }),
    epilogue: isLast ? (prose.at(-1) ?? '') : '',
  };
}

/** Entries, each in one line: what goes on in the next one is indented further than entries are. */
function joined(lines: readonly string[]): readonly string[] {
  const entries: string[] = [];
  for (const line of lines) {
    const isNew = /^ {2}\S/.test(line) || /^ {6}--/.test(line);
    if (isNew) entries.push(line.trim());
    // Two spaces stay what they are, between an entry's name and what it is.
    else
      entries.push(`${entries.pop() ?? ''}${/ {2}/.test(entries.at(-1) ?? '') ? ' ' : '  '}${line.trim()}`);
  }
  return entries;
}

function named(line: string): { readonly name: string; readonly description: string } {
  const [name = '', ...words] = line.split(/ {2,}/);
  return { name, description: withoutTags(words.join(' ')) };
}

function withoutTags(text: string): string {
  return text.replaceAll(TAG, '').replaceAll(/\s+/g, ' ').trim();
}

function optionOf(line: string): OptionHelp {
  const [, short, long = '', rest = ''] = /^(?:(-\w), )?(--[\w-]+)(.*)$/.exec(line) ?? [];
  const text = rest.replaceAll(/\s+/g, ' ');
  const tags = [...text.matchAll(TAG)].map(([, tag = '']) => tag);
  const choices = tags.find((tag) => tag.startsWith('choices: '))?.slice('choices: '.length);
  const value = tags.find((tag) => tag.startsWith('default: '))?.slice('default: '.length);
  return {
    short,
    long,
    description: withoutTags(text),
    takesValue: !tags.includes('boolean'),
    choices: [...(choices ?? '').matchAll(/"([^"]*)"/g)].map(([, choice = '']) => choice),
    default: value === undefined || ['false', '[]'].includes(value) ? undefined : value,
    isRequired: tags.includes('required'),
  };
}
