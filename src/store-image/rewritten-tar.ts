import { type Dirent, constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RE2JS } from 're2js';
import { pack, type Pack } from 'tar-stream';
import { STORE_DIR } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import { ownerHeader } from '../image/perms.ts';
import { goReplaceAll } from './go-replace.ts';
import type { RewrittenPath } from './nix2container-json.ts';

const MTIME = new Date(1000);
const PARENT_MODE = 0o755;
const LINK_MODE = 0o777;

/**
 * The tar of store paths under other names, with other owners or modes, as nix2container makes such a layer: sorted by name,
 * owner root and time 1 where nothing else is told, parents 0755. The same paths give the same bytes.
 *
 * @param realStoreDir the directory that holds what containers see as `/nix/store`.
 * @returns fails with StatusError: InvalidArgument for an expression that is none, or a name that leaves the image; DataLoss
 *   for what cannot be read.
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

async function write(paths: readonly RewrittenPath[], realStoreDir: string, tar: Pack): Promise<void> {
  const members = new Map<string, Member>();
  for (const path of paths) await collect(path, realStoreDir, members);
  for (const name of parentsOf(members.keys())) {
    if (!members.has(name))
      members.set(name, { header: { name, type: 'directory', mode: PARENT_MODE, mtime: MTIME } });
  }
  for (const [, { header, file }] of [...members].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (file === undefined) tar.entry(header, '');
    else await writeFile(tar, header, file);
  }
}

async function writeFile(tar: Pack, header: MemberHeader, file: string): Promise<void> {
  const handle = await opened(file);
  try {
    const { size } = await handle.stat();
    await pipeline(handle.createReadStream({ autoClose: false }), tar.entry({ ...header, size }));
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
): Promise<void> {
  const { path, rewrite, ignore } = rewritten;
  const rename = rewrite === undefined ? undefined : expression(rewrite.regex, path);
  const left = ignore === undefined ? undefined : expression(ignore, path);
  const perms = rewritten.perms.map((perm) => ({ ...perm, matches: expression(perm.regex, path) }));
  const visit = async (source: string): Promise<void> => {
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
    for (const { matches, mode, orMode = 0, uid, gid, uname, gname } of perms) {
      if (!matches.matcher(source).find()) continue;
      const changed = (mode ?? header.mode) | orMode;
      const { pax: _, ...before } = header;
      header = { ...before, ...ownerHeader({ uid, gid, uname, gname }), mode: changed };
    }
    // The root of the image is no member of it.
    if (name !== '') members.set(name, type === 'file' ? { header, file: real } : { header });
    if (type !== 'directory') return;
    for (const entry of (await listed(real)).toSorted((a, b) => (a.name < b.name ? -1 : 1)))
      await visit(`${source}/${entry.name}`);
  };
  await visit(path);
}

/** @throws StatusError InvalidArgument for a name that leaves the image. */
function nameInImage(path: string, source: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (!parts.some((part) => part === '.' || part === '..')) return parts.join('/');
  throw new StatusError(
    'InvalidArgument',
    `${source}: is rewritten to ${JSON.stringify(path)}, which is no name`,
  );
}

function parentsOf(names: Iterable<string>): ReadonlySet<string> {
  const parents = new Set<string>();
  for (const name of names) {
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) parents.add(name.slice(0, at));
  }
  return parents;
}

/** Go's expressions; linear in time, for whoever wrote them. */
function expression(text: string, path: string): RE2JS {
  try {
    return RE2JS.compile(text);
  } catch (cause) {
    throw new StatusError(
      'InvalidArgument',
      `${path}: ${JSON.stringify(text.slice(0, 300))} is no regular expression: ${messageOf(cause)}`,
      { cause },
    );
  }
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
