import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pages } from './markdown.ts';

const all = await pages();

/** `<program> <command>` with the flags that its help lists; docs/cli.md is that help. */
const flagsOf = new Map(
  all
    .filter(({ path }) => path === 'docs/cli.md')
    .flatMap(({ code }) => code.filter(({ language }) => language === 'text'))
    .map(({ heading, text }) => [
      heading,
      new Set([...text.matchAll(/^ +(?:(-\w), |)(--[\w-]+)/gm)].flatMap(([, short, long]) => [short, long])),
    ]),
);

/** One of the programs at the start of a command, with all that is given to it. */
const COMMAND =
  /(?:^|[;&|(]) *(?:[$#] )?(?:sudo )?(?:node )?(?:[\w./-]*\/)?(nix-snapshotter|nix2container)(?:\.mjs)?(?= )([^\n;&|>#)]*)/gm;

/** Languages of blocks that hold what a person types. */
const SHELL = ['sh', 'console', 'bash', 'shell'];

describe('command lines in pages', () => {
  it('use commands and flags that the programs have', () => {
    const wrong: string[] = [];
    let seen = 0;
    for (const { path, code } of all) {
      for (const { kind, language, text } of code) {
        if (kind === 'block' && !SHELL.includes(language)) continue;
        for (const [line, program = '', rest = ''] of text.replaceAll(/\\\n\s*/g, ' ').matchAll(COMMAND)) {
          seen += 1;
          wrong.push(...mistakesIn(program, rest).map((mistake) => `${path}: ${mistake} in "${line}"`));
        }
      }
    }
    assert.ok(seen > 20, `${seen} command lines were found`);
    assert.deepEqual(wrong, []);
  });

  it('are found wrong when they are', () => {
    assert.deepEqual(mistakesIn('nix-snapshotter', ' setup --containerd --dry-run'), []);
    assert.deepEqual(mistakesIn('nix2container', ' -n k8s.io load FILE'), []);
    assert.deepEqual(mistakesIn('nix-snapshotter', ' setup --contained'), ['no flag --contained']);
    assert.deepEqual(mistakesIn('nix-snapshotter', ' setup --json'), ['no flag --json']);
    assert.deepEqual(mistakesIn('nix-snapshotter', ' serve'), ['no command serve']);
  });
});

function mistakesIn(program: string, rest: string): readonly string[] {
  const words = rest.trim().split(/\s+/);
  const isCommand = (word: string): boolean => flagsOf.has(`${program} ${word}`);
  const command = words.find(isCommand);
  const flags = flagsOf.get(`${program} ${command ?? ''}`.trim());
  const named = words.flatMap((word) => /^\[?(-\w|--[a-z][\w-]*)/.exec(word)?.[1] ?? []);
  const first = words[0] ?? '';
  return [
    ...(command === undefined && /^[a-z][a-z-]+$/.test(first) ? [`no command ${first}`] : []),
    ...named.filter((flag) => !flags?.has(flag)).map((flag) => `no flag ${flag}`),
  ];
}
