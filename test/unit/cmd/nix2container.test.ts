import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { execa } from 'execa';

const WRONG: readonly (readonly [args: readonly string[], help: string])[] = [
  [['--address'], 'nix2container --help'],
  [['index'], 'nix2container index --help'],
];

describe('nix2container', { concurrency: true }, () => {
  for (const [args, help] of WRONG)
    it(`${args.join(' ')}: one line that names the help which there is, and exit code 2`, async () => {
      const { exitCode, stderr } = await execa(process.execPath, ['cmd/nix2container.ts', ...args], {
        reject: false,
      });
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, new RegExp(`^nix2container: [^\\n]+; see "${help}"$`));
    });
});
