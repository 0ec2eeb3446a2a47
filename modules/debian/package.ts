import { execa } from 'execa';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { messageOf, StatusError } from '../../src/errors.ts';
import { PROGRAMS, units, wrapper } from '../release/host-files.ts';
import { nodeRelease } from '../release/node-release.ts';
import { normaliseTree } from '../release/normalise.ts';
import type { ReleasePlatform } from '../release/platforms.ts';
import { writeProgramTree } from '../release/program-tree.ts';
import { changelog, controlFile } from './control.ts';

export interface DebianPackageOptions {
  readonly platform: ReleasePlatform;
  readonly version: string;
  readonly maintainer: string;
  /** The time of every file in it, in seconds. */
  readonly epoch: number;
  /** `xz` is what Debian's archive takes; `zstd` is larger, made in seconds, and read by Debian 12 and Ubuntu. */
  readonly compression: 'xz' | 'zstd';
  /** The file to write. */
  readonly out: string;
}

const NAME = 'nix-snapshotter';
const LIBRARY = `usr/lib/${NAME}`;
const DOCUMENTATION = `usr/share/doc/${NAME}`;
const MAN = 'modules/release/man';
const COMPLETION = 'modules/release/completion';
const MAINTAINER_SCRIPTS = ['postinst', 'prerm', 'postrm'];

/**
 * Builds the Debian package, for any architecture on any machine that has `dpkg-deb` (1.21.18 for zstd). Same inputs, same
 * bytes. The file appears under its name only when complete.
 *
 * @returns the package's size and that of what it installs, in bytes.
 * @throws StatusError FailedPrecondition when dpkg-deb fails; Unavailable when Node's release cannot be had.
 */
export async function buildDebianPackage(
  options: DebianPackageOptions,
): Promise<{ readonly size: number; readonly installed: number }> {
  const { platform, version, maintainer, epoch, compression, out } = options;
  const scratch = await mkdtemp(join(tmpdir(), `${NAME}-deb-`));
  try {
    const root = join(scratch, 'root');
    const node = await nodeRelease(platform);
    await writeProgramTree(platform, node, join(root, LIBRARY));
    await moveLicences(root);
    await writeHostFiles(root);
    await writeDocumentation(root, changelog(version, maintainer, epoch));
    const { files, bytes } = await normaliseTree(root, epoch);

    const control = join(root, 'DEBIAN');
    await mkdir(control);
    await writeFile(
      join(control, 'control'),
      controlFile({ version, arch: platform.arch, bytes, maintainer }),
    );
    await writeFile(join(control, 'md5sums'), await checksums(root, files));
    for (const script of MAINTAINER_SCRIPTS) {
      await writeFile(join(control, script), await source(script), { mode: 0o755 });
    }
    await normaliseTree(control, epoch);
    const draft = `${out}.${process.pid}`;
    await packTree(root, draft, { epoch, compression });
    await rename(draft, out);
    return { size: (await stat(out)).size, installed: bytes };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A file of this folder. */
async function source(name: string): Promise<string> {
  return await readFile(new URL(name, import.meta.url), 'utf8');
}

async function place(root: string, path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await mkdir(join(root, dirname(path)), { recursive: true });
  await writeFile(join(root, path), content, { mode });
}

/** Licences belong to the documentation. */
async function moveLicences(root: string): Promise<void> {
  for (const name of ['THIRD-PARTY.txt', 'NODE-LICENSE.txt']) {
    await place(root, `${DOCUMENTATION}/${name}.gz`, compressed(await readFile(join(root, LIBRARY, name))));
    await rm(join(root, LIBRARY, name));
  }
}

/** The programs in PATH, and the units that start them. */
async function writeHostFiles(root: string): Promise<void> {
  for (const program of PROGRAMS) {
    await place(root, `usr/bin/${program}`, await wrapper(program, `/${LIBRARY}`), 0o755);
  }
  for (const [folder, manager] of [
    ['.', 'system'],
    ['user', 'user'],
  ] as const) {
    for (const [name, text] of await units(folder, '/usr/bin')) {
      await place(root, `usr/lib/systemd/${manager}/${name}`, text);
    }
  }
}

async function writeDocumentation(root: string, changes: string): Promise<void> {
  await place(root, `${DOCUMENTATION}/copyright`, `${await source('copyright')}${await mitText()}`);
  await place(root, `${DOCUMENTATION}/changelog.gz`, compressed(changes));
  const guides = (await readdir('docs')).filter((name) => name.endsWith('.md'));
  for (const file of ['README.md', ...guides.map((name) => join('docs', name))]) {
    await place(root, `${DOCUMENTATION}/${file}.gz`, compressed(await readFile(file)));
  }
  await cp('examples/containerd', join(root, DOCUMENTATION, 'examples/containerd'), { recursive: true });
  for (const page of await readdir(MAN)) {
    const text = await readFile(join(MAN, page), 'utf8');
    await place(root, `usr/share/man/man${page.slice(-1)}/${page}.gz`, compressed(text));
  }
  for (const program of PROGRAMS) {
    for (const [shell, path] of Object.entries(completionsOf(program))) {
      await place(root, `usr/share/${path}`, await readFile(join(COMPLETION, `${program}.${shell}`), 'utf8'));
    }
  }
  await place(root, `usr/share/lintian/overrides/${NAME}`, await source('lintian-overrides'));
}

/** Where each shell looks for a program's completion, below /usr/share. */
function completionsOf(program: string): Readonly<Record<string, string>> {
  return {
    bash: `bash-completion/completions/${program}`,
    zsh: `zsh/vendor-completions/_${program}`,
    fish: `fish/vendor_completions.d/${program}.fish`,
  };
}

/** The terms of LICENSE, as a paragraph of Debian's copyright format. */
async function mitText(): Promise<string> {
  const text = await readFile('LICENSE', 'utf8');
  const terms = text.slice(text.indexOf('Permission is')).trimEnd().split('\n');
  return terms.map((line) => ` ${line === '' ? '.' : line}\n`).join('');
}

function compressed(content: string | Buffer): Buffer {
  return gzipSync(content, { level: 9 });
}

async function checksums(root: string, files: readonly string[]): Promise<string> {
  const lines = await Promise.all(
    files.map(async (file) => {
      const sum = createHash('md5')
        .update(await readFile(join(root, file)))
        .digest('hex');
      return `${sum}  ${file}\n`;
    }),
  );
  return lines.join('');
}

const LEVELS = { xz: '-z6', zstd: '-z3' };

async function packTree(
  root: string,
  out: string,
  { epoch, compression }: Pick<DebianPackageOptions, 'epoch' | 'compression'>,
): Promise<void> {
  const flags = ['--root-owner-group', `-Z${compression}`, LEVELS[compression]];
  try {
    await execa('dpkg-deb', [...flags, '--build', root, out], { env: { SOURCE_DATE_EPOCH: String(epoch) } });
  } catch (error) {
    await rm(out, { force: true });
    throw new StatusError('FailedPrecondition', `${basename(out)}: ${messageOf(error)}`, { cause: error });
  }
}
