import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { execa, ExecaError } from 'execa';
import { pack } from 'tar-stream';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { parseRegistration } from '../nix/registration.ts';
import { type Platform, platformOfNixSystem } from './platform.ts';

/** What building asks of Nix; the host's `nix-store`, `nix-build` and `nix-instantiate` programs. */
export interface NixQuery {
  /** The closure of valid paths, sorted, each once. */
  closure(roots: readonly StorePath[]): Promise<readonly StorePath[]>;
  /** What each of these valid paths refers to. */
  references(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, readonly StorePath[]>>;
  /** Makes a `closureInfo` output (a directory with the file `store-paths`) that refers to all of `closure`. */
  closureInfo(roots: readonly StorePath[], closure: readonly StorePath[]): Promise<StorePath>;
  /** Nix's current system; undefined when Nix cannot tell. */
  currentPlatform(): Promise<Platform | undefined>;
}

/** {@link NixQuery} by child processes. Failures: StatusError FailedPrecondition with Nix's last lines. */
export class NixPrograms implements NixQuery {
  async closure(roots: readonly StorePath[]): Promise<readonly StorePath[]> {
    const lines = (await run('nix-store', ['--query', '--requisites', ...roots])).split('\n');
    return [...new Set(lines.filter((line) => line !== '').map(checked))].toSorted();
  }

  async references(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, readonly StorePath[]>> {
    return parseRegistration(await run('nix-store', ['--dump-db', ...paths]));
  }

  /**
   * Nix's built-in channel unpacker is the builder: it needs no program and no sandbox set-up, and Nix itself
   * finds the references in the file it unpacks.
   */
  async closureInfo(roots: readonly StorePath[], closure: readonly StorePath[]): Promise<StorePath> {
    const dir = await mkdtemp(join(tmpdir(), 'nix2container-'));
    try {
      await writeFile(join(dir, 'store-paths.tar'), await listTar(closure));
      await writeFile(
        join(dir, 'closure-info.nix'),
        closureInfoExpression(join(dir, 'store-paths.tar'), roots),
      );
      return checked((await run('nix-build', ['--no-out-link', join(dir, 'closure-info.nix')])).trim());
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  async currentPlatform(): Promise<Platform | undefined> {
    try {
      const system = await run('nix-instantiate', ['--eval', '--expr', 'builtins.currentSystem']);
      return platformOfNixSystem(system.trim().replaceAll('"', ''));
    } catch (error) {
      if (error instanceof StatusError) return undefined;
      throw error;
    }
  }
}

function closureInfoExpression(tar: string, roots: readonly StorePath[]): string {
  return [
    'derivation {',
    '  name = "closure-info";',
    '  system = "builtin";',
    '  builder = "builtin:unpack-channel";',
    `  src = builtins.path { path = ${nixString(tar)}; name = "store-paths.tar"; };`,
    '  channelName = "store-paths";',
    `  roots = map builtins.storePath [ ${roots.map(nixString).join(' ')} ];`,
    '  preferLocalBuild = true;',
    '  allowSubstitutes = false;',
    '}',
    '',
  ].join('\n');
}

function nixString(text: string): string {
  return `"${text.replaceAll(/["\\]|\$(?=\{)/g, (special) => `\\${special}`)}"`;
}

async function listTar(closure: readonly StorePath[]): Promise<Buffer> {
  const tar = pack();
  const text = `${closure.join('\n')}\n`;
  tar.entry({ name: 'store-paths', mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) }, text);
  tar.finalize();
  return buffer(tar);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execa(program, args, { stdin: 'ignore', env: { LC_ALL: 'C' } });
    return stdout;
  } catch (cause) {
    if (!(cause instanceof ExecaError)) throw cause;
    const detail =
      cause.code === 'ENOENT'
        ? 'the program is not in PATH: install Nix, or pass --closure'
        : (cause.stderr ?? cause.shortMessage).trim().split('\n').slice(-5).join('\n');
    throw new StatusError('FailedPrecondition', `${program} failed: ${detail}`, { cause });
  }
}

function checked(text: string): StorePath {
  const path = parseStorePath(text);
  if (path !== undefined) return path;
  throw new StatusError(
    'Internal',
    `Nix answered ${JSON.stringify(text.slice(0, 300))}, which is not a store path`,
  );
}
