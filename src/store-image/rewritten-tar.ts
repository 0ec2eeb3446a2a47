import { type Dirent, constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { pack, type Pack } from 'tar-stream';
import { STORE_DIR } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import { headerMode, ownerHeader } from '../image/perms.ts';
import { compileExpressions } from './expressions.ts';
import { goReplaceAll } from './go-replace.ts';
import type { RewrittenPath } from './nix2container-json.ts';

const MTIME = new Date(1000);
const PARENT_MODE = 0o755;
const LINK_MODE = 0o777;
/** Linux' PATH_MAX: nobody can unpack a longer name. */
const MAX_NAME = 4096;
const MAX_MEMBERS = 500_000;
/** Other work of the process waits no longer than this for one that makes a tar. */
const TURN_MS = 10;

/**
 * The tar of store paths under other names, with other owners or modes, as nix2container makes such a layer: sorted by name,
 * owner root and time 1 where nothing else is told, parents 0755. The same paths give the same bytes.
 *
 * @param realStoreDir the directory that holds what containers see as `/nix/store`.
 * @returns fails with StatusError: InvalidArgument for an expression that is none or too large, or a name that leaves the image or is
 *   too long; ResourceExhausted for too many members; DataLoss for what cannot be read. Destroying it stops the work.
 */
export function rewrittenTar(paths: readonly RewrittenPath[], realStoreDir: string): Readable {
  const tar = pack();
  write(paths, realStoreDir, tar).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(messageOf(error))),
  );
  return tar as unknown as Readable;
}

/** What is told of a member; owner 0:0 unless it is. */
interface MemberHeader {
  readonly name: string;
  readonly type: 'directory' | 'file' | 'symlink';
  readonly mode: number;
  readonly mtime: Date;
  readonly linkname?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly uname?: string;
  readonly gname?: string;
  readonly pax?: Readonly<Record<string, string>>;
}

interface Member {
  readonly header: MemberHeader;
  /** Where its content is on this host. */
  readonly file?: string;
}

/** Resolves when it is the turn again of whoever makes a tar; fails when nobody wants the tar any more. */
type Turn = () => Promise<void>;

function turnsOf(tar: Pack): Turn {
  let since = performance.now();
  return async () => {
    if (performance.now() - since > TURN_MS) {
      await setImmediate();
      since = performance.now();
    }
    if ((tar as unknown as Readable).destroyed) throw new StatusError('Cancelled', 'nobody reads the layer');
  };
}

async function write(paths: readonly RewrittenPath[], realStoreDir: string, tar: Pack): Promise<void> {
  const members = new Map<string, Member>();
  const turn = turnsOf(tar);
  for (const path of paths) await collect(path, realStoreDir, members, turn);
  // Those that are added are met in turn, and get their parents too.
  for (const name of members.keys()) {
    await turn();
    const parent = name.slice(0, Math.max(name.lastIndexOf('/'), 0));
    if (parent === '' || members.has(parent)) continue;
    add(members, parent, { header: { name: parent, type: 'directory', mode: PARENT_MODE, mtime: MTIME } });
  }
  for (const [, { header, file }] of [...members].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    await turn();
    if (file === undefined) tar.entry({ ...header, mode: headerMode(header.mode) }, '');
    else await writeFile(tar, header, file);
  }
}

async function writeFile(tar: Pack, header: MemberHeader, file: string): Promise<void> {
  const handle = await opened(file);
  try {
    const { size } = await handle.stat();
    await pipeline(
      handle.createReadStream({ autoClose: false }),
      tar.entry({ ...header, mode: headerMode(header.mode), size }),
    );
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
    const linkname = type === 'symlink' ? await readlink(real) : undefined;
    let header: MemberHeader = {
      name,
      type,
      mode: type === 'symlink' ? LINK_MODE : stats.mode & 0o7777,
      mtime: MTIME,
      ...(linkname === undefined ? {} : { linkname }),
    };
    for (const { regex, mode, orMode = 0, uid, gid, uname, gname } of perms) {
      await turn();
      if (expressions.get(regex)?.matcher(source).find() !== true) continue;
      const changed = (mode ?? header.mode) | orMode;
      const { pax: _, ...before } = header;
      header = { ...before, ...ownerHeader({ uid, gid, uname, gname }), mode: changed };
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
