/** An option, as nixpkgs' `optionAttrSetToDocList` gives it. */
export interface DocumentedOption {
  readonly name: string;
  readonly type: string;
  readonly description: string | null;
  /** Nix code, or prose; null when there is none. */
  readonly default: string | null;
  readonly example: string | null;
}

/** The options of the project's modules. */
export interface ProjectOptions {
  readonly nixos: readonly DocumentedOption[];
  readonly home: readonly DocumentedOption[];
}

/** docs/options.md. */
export function renderOptions({ nixos, home }: ProjectOptions): string {
  const alike = new Set(home.map(({ name }) => name));
  const groups = [
    ['NixOS and Home Manager', nixos.filter(({ name }) => alike.has(name))],
    ['NixOS', nixos.filter(({ name }) => !alike.has(name))],
  ] as const;
  const others = home.filter(({ name }) => !nixos.some((one) => one.name === name));
  if (others.length > 0)
    throw new Error(`options of Home Manager alone: ${others.map(({ name }) => name).join(', ')}`);
  const sections = groups.flatMap(([title, options]) => [`## ${title}`, ...options.map(option)]);
  return `${[HEAD, ...sections].join('\n\n')}\n`;
}

const HEAD = `# Options of the modules

Made from the modules by \`npm run docs:options\`. How they are used: [NixOS and Home Manager](nixos.md); what the keys of \`settings\` do:
[configuration](configuration.md).`;

function option({ name, type, description, default: value, example }: DocumentedOption): string {
  const lines = [
    `### \`${name}\``,
    prose(description ?? ''),
    `- type: ${type}`,
    ...(value === null ? [] : [`- default: ${code(value)}`]),
    ...(example === null ? [] : [`- example: ${code(example)}`]),
  ];
  return `${lines.slice(0, 2).join('\n\n')}\n\n${lines.slice(2).join('\n')}`;
}

/** Markdown of nixpkgs' manuals as plain Markdown. */
function prose(text: string): string {
  return text.trim().replaceAll(/\{(?:option|command|file)\}`/g, '`');
}

function code(text: string): string {
  // What is prose already has its own marks.
  if (/`|^none$|^the |^a file|^a program/.test(text)) return prose(text);
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= 100 ? `\`${line}\`` : `\n\n  \`\`\`nix\n${text.replaceAll(/^/gm, '  ')}\n  \`\`\``;
}
