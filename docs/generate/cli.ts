import { helpOf, PROGRAMS } from './help.ts';

const TOP = `# Commands

<!-- written by npm run docs: do not edit -->

What \`--help\` says. Exit codes: 0 done; 1 failed; 2 wrong use: a flag, an argument, or what the configuration file says. Errors go to
stderr, in one line each. The keys of the configuration file are in [configuration](configuration.md), what the
commands do in [set-up](setup.md) and [nix2container](nix2container.md).
`;

/** docs/cli.md: the help of every command. */
export async function renderCli(): Promise<string> {
  const sections = (await Promise.all(PROGRAMS.map(helpOf)))
    .flat()
    .map(
      ({ program, command, text }) => `## ${`${program} ${command}`.trim()}\n\n\`\`\`text\n${text}\n\`\`\`\n`,
    );
  return [TOP, ...sections].join('\n');
}
