import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { execa } from 'execa';

/** Wrong uses, and the one line that is said of each. */
const WRONG: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [['--nonsense'], /Unknown argument: nonsense; see nix-snapshotter --help/],
  [
    ['--log-level', 'loud'],
    /Invalid values: Argument: log-level, Given: "loud".*; see nix-snapshotter --help/,
  ],
  [['status', '--address', 'a.sock'], /--address: an absolute path is expected/],
  [['doctor', '--address', 'a.sock'], /--address: an absolute path is expected/],
  [['status', '--config', ''], /--config: a file is expected/],
  [['setup', '--nerdctl', '--print', '--config', ''], /--config: a file is expected/],
  [['status', '--interval', '0'], /status: --interval takes 0\.1 to 3600 seconds/],
  // The last one counts.
  [['status', '--address', '/a.sock', '--address', 'b.sock'], /--address: an absolute path is expected/],
  [
    ['setup', '--containerd', '--containerd-version', '2'],
    /--containerd-version 2 is no version of containerd/,
  ],
];

describe('nix-snapshotter', { concurrency: true }, () => {
  for (const [args, says] of WRONG)
    it(`${args.join(' ')}: one line that says what is wrong, and exit code 2`, async () => {
      const { exitCode, stderr } = await execa(process.execPath, ['cmd/nix-snapshotter.ts', ...args], {
        reject: false,
      });
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, new RegExp(`^nix-snapshotter: ${says.source}[^\\n]*$`));
    });
});
