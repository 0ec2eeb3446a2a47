import { helpOf, type Program } from './help.ts';
import { type OptionHelp, parseHelp, type ParsedHelp } from './parse-help.ts';

/** What a manual page has besides what `--help` says. */
interface Page {
  readonly section: 1 | 8;
  readonly summary: string;
  readonly files: readonly (readonly [path: string, what: string])[];
  readonly variables: readonly (readonly [name: string, what: string])[];
  readonly signals: readonly (readonly [name: string, what: string])[];
  readonly seeAlso: readonly (readonly [page: string, section: number])[];
}

const PAGES: Readonly<Record<Program, Page>> = {
  'nix-snapshotter': {
    section: 8,
    summary: 'a containerd snapshotter that understands Nix store paths',
    files: [
      ['/etc/nix-snapshotter/config.toml', 'configuration of the daemon; it need not be there'],
      ['/run/nix-snapshotter/nix-snapshotter.sock', 'socket of the daemon'],
      ['/var/lib/containerd/io.containerd.snapshotter.v1.nix', 'its state'],
      ['~/.config/nix-snapshotter/config.toml', 'configuration of a daemon without root'],
    ],
    variables: [
      ['NOTIFY_SOCKET, LISTEN_FDS', 'as systemd sets them for services and their sockets'],
      ['XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_RUNTIME_DIR', 'where a daemon without root has its files'],
    ],
    signals: [
      [
        'SIGTERM, SIGINT',
        'the daemon takes no more calls, gives those that run 10 seconds, and ends; a second one ends it at once',
      ],
    ],
    seeAlso: [
      ['nix2container', 1],
      ['containerd', 8],
      ['nix-store', 1],
    ],
  },
  nix2container: {
    section: 1,
    summary: 'builds container images that name Nix store paths',
    files: [['~/.docker/config.json', 'credentials of registries, and the programs that keep them']],
    variables: [
      [
        'CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE',
        'containerd’s socket and namespace, unless options say them',
      ],
    ],
    signals: [['SIGTERM, SIGINT', 'what was begun is ended tidily; a second one ends the program at once']],
    seeAlso: [
      ['nix-snapshotter', 8],
      ['containerd', 8],
    ],
  },
};

/** Which manual page is of which program, by the file's name. */
export function manFile(program: Program): string {
  return `modules/release/man/${program}.${PAGES[program].section}`;
}

/** The manual page of a program, from what `--help` says of each of its commands. Source of the form: man(7). */
export async function renderMan(program: Program): Promise<string> {
  const { section, summary, files, variables, signals, seeAlso } = PAGES[program];
  const [top, ...commands] = (await helpOf(program)).map(parseHelp);
  if (top === undefined) throw new Error(`${program} has no help`);
  const all = [top, ...commands];
  return [
    String.raw`.\" written by npm run docs: do not edit`,
    `.TH ${program.toUpperCase()} ${section}`,
    '.SH NAME',
    String.raw`${program} \- ${roff(summary)}`,
    '.SH SYNOPSIS',
    ...all.flatMap(({ usage }, at) => [...(at === 0 ? [] : ['.br']), `.B ${roff(usage)}`]),
    '.SH DESCRIPTION',
    roff(top.description),
    ...(top.commands.length === 0 ? [] : ['Its commands:', ...top.commands.flatMap(commandLine)]),
    ...optionsOf('OPTIONS', top.options),
    ...commands.flatMap(commandSection),
    ...listed('FILES', files, 'I'),
    ...listed('ENVIRONMENT', variables, 'B'),
    ...listed('SIGNALS', signals, 'B'),
    '.SH EXIT STATUS',
    roff(top.epilogue.replace(/^Exit codes: /, '')),
    '.SH EXAMPLES',
    ...all
      .flatMap(({ examples }) => examples)
      .flatMap(({ command, description }) => ['.TP', `.B ${roff(command)}`, roff(description)]),
    '.SH SEE ALSO',
    ...seeAlso.map(([page, of], at) => `.BR ${roff(page)} (${of})${at === seeAlso.length - 1 ? '' : ','}`),
    '',
  ].join('\n');
}

function commandLine({ name, description }: ParsedHelp['commands'][number]): readonly string[] {
  return ['.TP', `.B ${name === '' ? '(none)' : roff(name)}`, roff(description)];
}

function commandSection({ usage, description, positionals, options }: ParsedHelp): readonly string[] {
  return [
    `.SH COMMAND ${roff(usage.split(' ')[1]?.toUpperCase() ?? '')}`,
    `.B ${roff(usage)}`,
    '.PP',
    roff(description),
    ...positionals.flatMap(({ name, description: what }) => ['.TP', `.I ${roff(name)}`, roff(what)]),
    ...options.filter(({ long }) => !['--help', '--version'].includes(long)).flatMap(optionLines),
  ];
}

function optionsOf(title: string, options: readonly OptionHelp[]): readonly string[] {
  return options.length === 0 ? [] : [`.SH ${title}`, ...options.flatMap(optionLines)];
}

function optionLines({
  short,
  long,
  description,
  takesValue,
  choices,
  default: value,
  isRequired,
}: OptionHelp): readonly string[] {
  const names = [short, long]
    .filter((name) => name !== undefined)
    .map((name) => String.raw`\fB${roff(name)}\fR`);
  const argument = takesValue
    ? String.raw` \fI${choices.length > 0 ? choices.map(roff).join('|') : 'value'}\fR`
    : '';
  const more = [...(isRequired ? ['required'] : []), ...(value === undefined ? [] : [`default: ${value}`])];
  return [
    '.TP',
    `${names.join(', ')}${argument}`,
    roff(`${description}${more.length === 0 ? '' : ` (${more.join(', ')})`}`),
  ];
}

function listed(
  title: string,
  entries: readonly (readonly [string, string])[],
  font: 'B' | 'I',
): readonly string[] {
  return [
    `.SH ${title}`,
    ...entries.flatMap(([name, what]) => ['.TP', `.${font} ${roff(name)}`, roff(what)]),
  ];
}

/** A text that roff takes for nothing but text. */
function roff(text: string): string {
  const escaped = text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll('’', String.raw`\(cq`)
    .replaceAll('~', String.raw`\(ti`)
    .replaceAll('"', String.raw`\(dq`);
  return /^[.']/.test(escaped) ? String.raw`\&${escaped}` : escaped;
}
