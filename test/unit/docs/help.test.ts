import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { helpOf, PROGRAMS } from '../../../docs/generate/help.ts';
import { parseHelp } from '../../../docs/generate/parse-help.ts';

const all = (await Promise.all(PROGRAMS.map(helpOf))).flat().map(parseHelp);

describe('--help', () => {
  for (const help of all) {
    const { program, command } = help;
    const name = `${program} ${command}`.trim();
    const isOnlyCommands = program === 'nix2container' && command === '';

    it(`${name}: says what it does, what each option is, and how it ends`, () => {
      assert.ok(help.description.length > 10, help.description);
      assert.match(help.epilogue, /^Exit codes: 0 .*; 1 .*; 2 wrong use/);
      const told = [...help.options, ...help.positionals, ...help.commands];
      assert.ok(help.options.length > 2);
      for (const one of told) {
        const what = 'long' in one ? one.long : one.name;
        assert.ok(one.description.length > 3, `${name} ${what} has no description`);
        assert.doesNotMatch(one.description, /\[(?:string|boolean|number|array|default|choices)\b/, what);
      }
    });

    if (isOnlyCommands) continue;
    it(`${name}: has examples that begin with it`, () => {
      assert.ok(help.examples.length > 0);
      for (const { command: example, description } of help.examples) {
        assert.ok(description.length > 5, example);
        assert.ok(example.startsWith(program) && example.includes(command), example);
      }
    });
  }

  it('is read as it is meant', () => {
    const setup = all.find(({ command }) => command === 'setup');
    const version = setup?.options.find(({ long }) => long === '--containerd-version');
    assert.deepEqual(version, {
      short: undefined,
      long: '--containerd-version',
      description: 'Version of a containerd that cannot be asked, such as 2.3.7',
      takesValue: true,
      choices: [],
      default: undefined,
      isRequired: false,
    });
    const build = all.find(({ command }) => command === 'build');
    const format = build?.options.find(({ long }) => long === '--format');
    assert.deepEqual(format?.choices, ['oci-archive', 'oci-layout', 'docker-archive']);
    assert.equal(format?.default, '"oci-archive"');
    assert.equal(build?.options.find(({ long }) => long === '--copy-to-root')?.takesValue, true);
    assert.equal(
      all.find(({ command }) => command === 'view-helper')?.options.find(({ isRequired }) => isRequired)
        ?.long,
      '--user',
    );
  });
});
