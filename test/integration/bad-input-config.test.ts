import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { runProgram } from './bad-input/daemon-rig.ts';

const FILE = '/etc/nix-snapshotter/config.toml';

/** Configuration files that are refused, with what the message says besides the file's name. */
const REFUSED: Readonly<Record<string, { readonly text: string | Uint8Array; readonly says: RegExp }>> = {
  'a syntax error': { text: 'root = ', says: /is not TOML: / },
  'a key given twice': { text: 'root = "/a"\nroot = "/b"', says: /is not TOML: / },
  'bytes that are no text': { text: Uint8Array.of(0xff, 0xfe, 0, 1, 2), says: /is not TOML: / },
  'an unknown key': { text: 'adress = "/a.sock"', says: /: adress: / },
  'an unknown key in a table': { text: '[nix]\nstor = "auto"', says: /: nix\.stor: / },
  'a wrong type': { text: '[nix]\nconcurrency = "many"', says: /: nix\.concurrency: .*number/ },
  'a value out of range': { text: '[nix]\nconcurrency = 0', says: /: nix\.concurrency: / },
  'a value that is not on the list': { text: 'view = "magic"', says: /: view: / },
  'a duration without a unit': {
    text: '[prepare]\ndeadline = "5"',
    says: /: prepare\.deadline: a duration such as/,
  },
  'a relative path': { text: 'root = "var/lib"', says: /: root: an absolute path is expected/ },
  'a value where a table belongs': { text: 'nix = 1', says: /: nix: / },
  'two mistakes': { text: 'view = 1\n[gc]\ngrace = 2', says: /: (?=.*view: )(?=.*gc\.grace: )/ },
};

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

describe('the command line and the configuration file', { skip }, () => {
  let node: Sandbox;
  before(async () => {
    node = await Sandbox.up({ suite: 'trixie', name: 'config' });
  });
  after(() => node.down());

  for (const [what, { text, says }] of Object.entries(REFUSED)) {
    it(`${what} in the file is told with file and key, and the exit code is 2`, async () => {
      await node.writeFile(FILE, text);
      for (const args of [[], ['--config', FILE]]) {
        const { exitCode, stderr } = await runProgram(node, args);
        assert.equal(exitCode, 2, stderr);
        assert.match(stderr, new RegExp(`^nix-snapshotter: configuration ${FILE}`));
        assert.match(stderr, says);
        assert.doesNotMatch(stderr, /\n\s+at /, 'a stack trace');
      }
    });
  }

  it('a file that was named and cannot be read is told', async () => {
    for (const [file, cause] of [
      ['/nowhere.toml', 'ENOENT'],
      ['/etc', 'EISDIR'],
    ] as const) {
      const { exitCode, stderr } = await runProgram(node, ['--config', file]);
      assert.equal(exitCode, 1);
      assert.match(stderr, new RegExp(`^nix-snapshotter: configuration ${file} cannot be read: ${cause}`));
    }
  });

  it('an unknown option or value is told, with exit code 2', async () => {
    for (const args of [['--nonsense'], ['--log-level', 'loud'], ['--root'], ['nonsense']]) {
      const { exitCode, stderr } = await runProgram(node, args);
      assert.equal(exitCode, 2, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, /^nix-snapshotter: .*; see nix-snapshotter --help$/s);
    }
  });

  it('a socket path that cannot be used is told with the next step', async () => {
    await node.sh(`rm -f ${FILE}; echo > /tmp/a-file`);
    const long = `/tmp/${'s'.repeat(120)}.sock`;
    for (const [address, says] of [
      [long, /107: choose a shorter --address$/],
      ['/tmp/a-file', /exists and is not a socket: remove it or choose another --address$/],
      ['/tmp/a-file/a.sock', /socket \/tmp\/a-file\/a\.sock cannot be made: E\w+.*choose another --address$/],
      ['/proc/a.sock', /socket \/proc\/a\.sock cannot be made: E\w+.*choose another --address$/],
    ] as const) {
      const { exitCode, stderr } = await runProgram(node, ['--root', '/tmp/root', '--address', address]);
      assert.notEqual(exitCode, 0);
      assert.match(stderr.split('\n').at(-1) ?? '', /^nix-snapshotter: /);
      assert.match(stderr, says);
    }
  });

  it('status without a daemon says that none listens', async () => {
    const { exitCode, stderr } = await runProgram(node, ['status', '--address', '/tmp/none.sock']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /^nix-snapshotter: .*\/tmp\/none\.sock/);
  });
});
