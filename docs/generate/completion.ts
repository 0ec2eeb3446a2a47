import { helpOf, type Program } from './help.ts';
import { type OptionHelp, parseHelp, type ParsedHelp } from './parse-help.ts';

/** Shells that there is a completion for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const HEAD = '# written by npm run docs: do not edit';

export function completionFile(program: Program, shell: Shell): string {
  return `modules/release/completion/${program}.${shell}`;
}

/** Completes commands, options and what options may be; else, as a shell does, files. */
export async function renderCompletion(program: Program, shell: Shell): Promise<string> {
  const [top, ...commands] = (await helpOf(program)).map(parseHelp);
  if (top === undefined) throw new Error(`${program} has no help`);
  return { bash, zsh, fish }[shell](program, top, commands);
}

function bash(program: Program, top: ParsedHelp, commands: readonly ParsedHelp[]): string {
  const name = `_${program.replaceAll('-', '_')}`;
  const named = commands.map(({ command }) => command);
  const cases = [...commands, top].map((help) => {
    const pattern = help.command === '' ? '*' : help.command;
    const words = [...names(help.options), ...(help.command === '' ? named : [])];
    return `  ${pattern}) words='${words.join(' ')}' ;;`;
  });
  return `${HEAD}
${name}() {
  local word command= words
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    ${named.join(' | ')}) command=$word && break ;;
    esac
  done
  case $command:$previous in
${bashValues([...commands, top]).join('\n')}
  esac
  case $command in
${cases.join('\n')}
  esac
  case $current in
  -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  *) [ -n "$command" ] || COMPREPLY=($(compgen -W "${named.join(' ')}" -- "$current")) ;;
  esac
}
complete -o bashdefault -o default -F ${name} ${program}
`;
}

/** What may follow an option; nothing stands for a file. */
function bashValues(helps: readonly ParsedHelp[]): readonly string[] {
  return helps.flatMap(({ command, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map((option) => {
        const patterns = names([option]).map((name) => `${command}:${name}`);
        const { choices } = option;
        const words = `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current"))`;
        return `  ${patterns.join(' | ')}) ${choices.length === 0 ? '' : `${words} && `}return ;;`;
      }),
  );
}

function zsh(program: Program, top: ParsedHelp, commands: readonly ParsedHelp[]): string {
  const name = `_${program.replaceAll('-', '_')}`;
  const list = commands.map(({ command }) => {
    const described = top.commands.find((one) => one.name === command)?.description ?? '';
    return `    ${zshWord(`${command}:${described.replaceAll(':', String.raw`\:`)}`)}`;
  });
  const cases = commands.map(
    (help) => `  ${help.command})
    _arguments -S ${help.options.map(zshOption).join(' ')} '*:file:_files'
    ;;`,
  );
  return `#compdef ${program}
${HEAD}
${name}() {
  local -a commands=(
${list.join('\n')}
  )
  local word command=
  for word in \${words[2,CURRENT-1]}; do
    if [[ -n \${(M)commands:#$word:*} ]]; then
      command=$word
      break
    fi
  done
  case $command in
${cases.join('\n')}
  *)
    _arguments -S ${top.options.map(zshOption).join(' ')} '1:command:{_describe command commands}'
    ;;
  esac
}
${name} "$@"
`;
}

function zshOption(option: OptionHelp): string {
  const { description, choices, takesValue } = option;
  const what = description.replaceAll(/[[\]\\:]/g, String.raw`\$&`);
  const value = takesValue ? `:value:${choices.length > 0 ? `(${choices.join(' ')})` : '_files'}` : '';
  return names([option])
    .map((name) => zshWord(`${name}[${what}]${value}`))
    .join(' ');
}

function zshWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function fish(program: Program, top: ParsedHelp, commands: readonly ParsedHelp[]): string {
  const named = commands.map(({ command }) => command);
  const none = `not __fish_seen_subcommand_from ${named.join(' ')}`;
  const lines = [top, ...commands].flatMap((help) => {
    const when = help.command === '' ? none : `__fish_seen_subcommand_from ${help.command}`;
    return help.options.map((option) => fishOption(program, when, option));
  });
  const list = commands.map(({ command }) => {
    const described = top.commands.find((one) => one.name === command)?.description ?? '';
    return `complete -c ${program} -n ${fishWord(none)} -f -a ${command} -d ${fishWord(described)}`;
  });
  return `${[HEAD, ...list, ...lines].join('\n')}\n`;
}

function fishOption(program: Program, when: string, option: OptionHelp): string {
  const { short, long, description, choices, takesValue } = option;
  const letter = short === undefined ? '' : ` -s ${short.slice(1)}`;
  const value = choices.length > 0 ? ` -x -a ${fishWord(choices.join(' '))}` : takesValue ? ' -r' : '';
  return `complete -c ${program} -n ${fishWord(when)}${letter} -l ${long.slice(2)}${value} -d ${fishWord(description)}`;
}

function fishWord(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}

function names(options: readonly Pick<OptionHelp, 'short' | 'long'>[]): readonly string[] {
  return options.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]));
}
