import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StatusError } from '../../src/errors.ts';

/** The text with which a package gives its licence. */
interface Notice {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly texts: readonly string[];
}

const LICENSE_FILE = /^(licen[cs]e|copying|notice|authors)([.-].*)?$/i;

/** Native code inside a package, with licences of its own, by package. */
const NATIVE_PARTS: Readonly<Record<string, readonly string[]>> = {
  'classic-level': ['deps/leveldb/leveldb-1.20', 'deps/snappy/snappy'],
};

/**
 * The licences of every package that a bundle is made of, as one text.
 *
 * @param inputs files that were bundled, as esbuild's metafile names them.
 * @throws StatusError FailedPrecondition where a package names no licence, or it or a native part of it has no licence file.
 */
export async function thirdPartyNotices(inputs: readonly string[]): Promise<string> {
  const roots = new Set(inputs.flatMap((file) => packageRoot(file) ?? []));
  const notices = await Promise.all([...roots].map(readNotice));
  const sections = notices.map(({ name, version, license, texts }) =>
    [`${name} ${version} (${license})`, ...texts.map((text) => text.trim())].join('\n\n'),
  );
  const head = 'nix-snapshotter contains these packages. Each is under its own licence, which follows.';
  return `${[head, ...new Set(sections.toSorted())].join(`\n\n${'-'.repeat(78)}\n\n`)}\n`;
}

/** The directory of the package that a file belongs to; nothing for a file of the project's own. */
function packageRoot(file: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
}

async function readNotice(root: string): Promise<Notice> {
  const { name, version, license } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license?: unknown;
  };
  if (typeof license !== 'string') {
    throw new StatusError('FailedPrecondition', `${root}/package.json: no licence; it cannot be distributed`);
  }
  const parts = (NATIVE_PARTS[name] ?? []).map(async (part) => {
    const texts = await licenseTexts(join(root, part));
    return texts.map((text) => `${basename(part)}:\n\n${text}`);
  });
  const texts = [await licenseTexts(root), ...(await Promise.all(parts))].flat();
  return { name, version, license, texts };
}

async function licenseTexts(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory)).filter((name) => LICENSE_FILE.test(name)).toSorted();
  if (names.length === 0) {
    throw new StatusError(
      'FailedPrecondition',
      `${directory}: no licence file; licences ask to be given along`,
    );
  }
  return await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
}
