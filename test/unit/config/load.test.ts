import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { messageOf } from '../../../src/errors.ts';
import { loadConfig, type Overrides } from '../../../src/config/load.ts';

const failed = async (t: TestContext, text: string, overrides: Overrides = {}): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'config-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'config.toml');
  await writeFile(file, text);
  try {
    await loadConfig(file, overrides);
  } catch (error) {
    return messageOf(error).replace(file, '<file>');
  }
  throw new Error('it was read');
};

it('what is no TOML is told with its line, on one line', async (t) => {
  assert.equal(
    await failed(t, '# mine\n[nix]\nstore = \n'),
    'configuration <file> is not TOML: line 3, column 9: invalid value; correct that line (docs/configuration.md has the keys)',
  );
});

it('a key that is none is told as that', async (t) => {
  assert.equal(
    await failed(t, 'view = "auto"\n[nix]\nstor = "auto"\n'),
    'configuration <file>: nix.stor: there is no such key; see docs/configuration.md for the keys',
  );
});

it('an empty text in place of a store or a program is refused', async (t) => {
  assert.equal(
    await failed(t, '[nix]\nstore = ""\nnix_store = ""\n'),
    'configuration <file>: nix.store: a store is expected, such as "auto"; nix.nix_store: a program is expected; ' +
      'see docs/configuration.md for the keys',
  );
});

it('a flag that is wrong is told as a flag: the file has no part in it', async (t) => {
  assert.equal(
    await failed(t, '', { address: 'a.sock', root: '' }),
    '--address: an absolute path is expected; --root: an absolute path is expected',
  );
});

it('a file that cannot be read is told with what to do', async () => {
  await assert.rejects(loadConfig('/nowhere.toml', {}), {
    code: 'FailedPrecondition',
    message:
      /^configuration \/nowhere\.toml cannot be read: ENOENT.*; name another file by --config, or leave it out$/,
  });
});

it('a duration that no timer can wait for is refused', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'config-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'config.toml');
  await writeFile(file, '[gc]\ngrace = "576h"\n');
  assert.equal((await loadConfig(file, {})).gc.grace, 576 * 3_600_000);
  await writeFile(file, '[gc]\ngrace = "720h"\n');
  await assert.rejects(loadConfig(file, {}), {
    code: 'InvalidArgument',
    message: /gc\.grace: a duration of at most 24 days is expected/,
  });
});
