import { type Dirent, constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { STORE_DIR } from '../closure/store-path.ts';
import { encodeHeader, paddingOf, tarOf, type TarMemberHeader } from '../closure/tar-member.ts';
import { messageOf, StatusError } from '../errors.ts';
import { ownerHeader } from '../image/perms.ts';
import { compileExpressions } from './expressions.ts';
import { goReplaceAll } from './go-replace.ts';
import type { RewrittenPath } from './nix2container-json.ts';

const MTIME = 1;
const PARENT_MODE = 0o755;
const LINK_MODE = 0o777;
/** Linux' PATH_MAX: nobody can unpack a longer name. */
const MAX_NAME = 4096;
const MAX_MEMBERS = 500_000;
/** Other work of the process waits no longer than this for one that makes a tar. */
const TURN_MS = 10;
/** So much is handed on at a time, in bytes. */
const CHUNK = 256 * 1024;

/**
 * The tar of store paths under other names, with other owners or modes, as nix2container makes such a layer: sorted by name,
 * owner root and time 1 where nothing else is told, parents 0755. The same paths give the same bytes.
 *
 * @param realStoreDir the directory that holds what containers see as `/nix/store`.
 * @returns fails with StatusError: InvalidArgument for an expression that is none or too large, or a name that leaves the image or is
 *   too long; ResourceExhausted for too many members; DataLoss for what cannot be read. Destroying it stops the work.
 */
export function rewrittenTar(paths: readonly RewrittenPath[], realStoreDir: string): Readable {
  const given = new AbortController();
  const blocks = blocksOf(paths, realStoreDir, turnsOf(given.signal));
  const tar = Readable.from(tarOf(blocks), { objectMode: false });
  return tar.once('close', () => given.abort());
}

interface Member {
  readonly header: TarMemberHeader;
  /** Where its content is on this host. */
  readonly file?: string;
}

/** Resolves when it is the turn again of whoever makes a tar; fails when nobody wants the tar any more. */
type Turn = () => Promise<void>;

function turnsOf(given: AbortSignal): Turn {
  let since = performance.now();
  return async () => {
    if (performance.now() - since > TURN_MS) {
      await setImmediate();
      since = performance.now();
    }
    if (given.aborted) throw new StatusError('Cancelled', 'nobody reads the layer');
  };
}

async function* blocksOf(
  paths: readonly RewrittenPath[],
  realStoreDir: string,
  turn: Turn,
): AsyncGenerator<Buffer, void> {
  const members = new Map<string, Member>();
  for (const path of paths) await collect(path, realStoreDir, members, turn);
  // Those that are added are met in turn, and get their parents too.
  for (const name of members.keys()) {
    await turn();
    const parent = name.slice(0, Math.max(name.lastIndexOf('/'), 0));
    if (parent === '' || members.has(parent)) continue;
    const header = {
      path: parent,
      kind: 'directory',
      mode: PARENT_MODE,
      mtime: MTIME,
      slash: false,
    } as const;
    add(members, parent, { header });
  }
  for (const [, { header, file }] of [...members].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    await turn();
    if (file === undefined) yield* encodeHeader(header, 0);
    else yield* fileBlocks(header, file);
  }
}

async function* fileBlocks(header: TarMemberHeader, file: string): AsyncGenerator<Buffer, void> {
  const handle = await opened(file);
  try {
    const { size } = await handle.stat();
    yield* encodeHeader(header, size);
    for (let at = 0; at < size; ) {
      const length = Math.min(CHUNK, size - at);
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) throw new Error(`it has ${at} bytes instead of ${size}`);
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
    yield paddingOf(size);
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    await handle.close();
  }
}

/** Adds everything in a store path under the name that it has in the image. */
async function collect(
  rewritten: RewrittenPath,
  realStoreDir: string,
  members: Map<string, Member>,
  turn: Turn,
): Promise<void> {
  const { path, rewrite, ignore, perms } = rewritten;
  const texts = [rewrite?.regex ?? [], ignore ?? [], perms.map(({ regex }) => regex)].flat();
  const expressions = await compileExpressions(texts, path, turn);
  const rename = rewrite === undefined ? undefined : expressions.get(rewrite.regex);
  const left = ignore === undefined ? undefined : expressions.get(ignore);
  const visit = async (source: string): Promise<void> => {
    await turn();
    const renamed = rename === undefined ? source : goReplaceAll(rename, source, rewrite?.repl ?? '');
    if (left?.matcher(renamed).find() === true) return;
    const name = nameInImage(renamed, source);
    const real = realStoreDir + source.slice(STORE_DIR.length);
    const stats = await lstat(real).catch((error: unknown) => {
      throw unreadable(real, error);
    });
    const type = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : 'file';
    if (type === 'file' && !stats.isFile()) throw unreadable(real, new Error('no file, directory or link'));
    let header: TarMemberHeader = {
      path: name,
      kind: type,
      mode: type === 'symlink' ? LINK_MODE : stats.mode & 0o7777,
      mtime: MTIME,
      slash: false,
      ...(type === 'symlink' ? { target: await readlink(real) } : {}),
    };
    for (const { regex, mode, orMode = 0, uid, gid, uname, gname } of perms) {
      await turn();
      if (expressions.get(regex)?.matcher(source).find() !== true) continue;
      const { records: _, ...before } = header;
      const { pax: records, ...owner } = ownerHeader({ uid, gid, uname, gname });
      const changed = (mode ?? header.mode) | orMode;
      header = {
        ...before,
        owner: { ...header.owner, ...owner },
        mode: changed,
        ...(records === undefined ? {} : { records }),
      };
    }
    // The root of the image is no member of it.
    if (name !== '') add(members, name, type === 'file' ? { header, file: real } : { header });
    if (type !== 'directory') return;
    for (const entry of (await listed(real)).toSorted((a, b) => (a.name < b.name ? -1 : 1)))
      await visit(`${source}/${entry.name}`);
  };
  await visit(path);
}

/** @throws StatusError InvalidArgument for a name that leaves the image or is too long. */
function nameInImage(path: string, source: string): string {
  const wrong = (what: string): StatusError =>
    new StatusError(
      'InvalidArgument',
      `${source}: is rewritten to ${JSON.stringify(path.slice(0, 300))}, which ${what}`,
    );
  if (path.length > MAX_NAME)
    throw wrong(`begins a name of ${path.length} characters: ${MAX_NAME} is the limit`);
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..')) throw wrong('is no name');
  return parts.join('/');
}

function add(members: Map<string, Member>, name: string, member: Member): void {
  members.set(name, member);
  if (members.size > MAX_MEMBERS)
    throw new StatusError(
      'ResourceExhausted',
      `/${name}: a rewritten layer has at most ${MAX_MEMBERS} entries`,
    );
}

async function opened(file: string) {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw unreadable(file, error);
  }
}

async function listed(directory: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    throw unreadable(directory, error);
  }
}

function unreadable(file: string, cause: unknown): StatusError {
  if (cause instanceof StatusError) return cause;
  return new StatusError('DataLoss', `${file}: cannot be read: ${messageOf(cause)}`, { cause });
}
