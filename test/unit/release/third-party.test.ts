import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { thirdPartyNotices } from '../../../modules/release/third-party.ts';

/** Packages on disk: their files by path below `node_modules`. */
async function withPackages(
  files: Readonly<Record<string, string>>,
  use: (modules: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'third-party-'));
  try {
    for (const [path, content] of Object.entries(files)) {
      const file = join(directory, 'node_modules', path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
    await use(join(directory, 'node_modules'));
  } finally {
    await rm(directory, { recursive: true });
  }
}

const manifest = (name: string, license?: string) => JSON.stringify({ name, version: '1.2.3', license });

describe('the licences of what is bundled', () => {
  it('are those of each package once, sorted; files of the project have none', async () => {
    const files = {
      'one/package.json': manifest('one', 'MIT'),
      'one/LICENSE.md': 'terms of one\n',
      'two/node_modules/one/package.json': manifest('one', 'MIT'),
      'two/node_modules/one/LICENSE': 'terms of one',
      'one/node_modules/@scope/two/package.json': manifest('@scope/two', 'ISC'),
      'one/node_modules/@scope/two/LICENCE': 'terms of two\n',
      'one/node_modules/@scope/two/NOTICE': 'notice of two\n',
    };
    await withPackages(files, async (modules) => {
      const inputs = [
        'one/index.js',
        'one/lib/more.js',
        'two/node_modules/one/index.js',
        'one/node_modules/@scope/two/index.js',
      ];
      const text = await thirdPartyNotices([
        ...inputs.map((file) => join(modules, file)),
        'src/daemon/start.ts',
      ]);
      const [head, ...sections] = text.split(`\n\n${'-'.repeat(78)}\n\n`);
      assert.match(head ?? '', /^nix-snapshotter contains/);
      assert.deepEqual(sections, [
        '@scope/two 1.2.3 (ISC)\n\nterms of two\n\nnotice of two',
        'one 1.2.3 (MIT)\n\nterms of one\n',
      ]);
    });
  });

  for (const [what, files, message] of [
    [
      'names none',
      { 'p/package.json': manifest('p'), 'p/LICENSE': 'terms' },
      /p\/package\.json: no licence;/,
    ],
    ['has no file of it', { 'p/package.json': manifest('p', 'MIT') }, /p: no licence file;/],
  ] as const) {
    it(`are an error where a package ${what}`, async () => {
      await withPackages(files, async (modules) => {
        await assert.rejects(thirdPartyNotices([join(modules, 'p/index.js')]), {
          code: 'FailedPrecondition',
          message,
        });
      });
    });
  }
});
