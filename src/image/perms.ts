import { RE2JS } from 're2js';
import * as v from 'valibot';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { withoutTrailingSlashes } from '../closure/trailing-slashes.ts';
import { messageOf, StatusError } from '../errors.ts';
import { parseJson } from './descriptor.ts';

/** Who owns a file in an image, and its permission bits. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly uname?: string | undefined;
  readonly gname?: string | undefined;
  /** As in the store where it is not told. */
  readonly mode?: number;
}

/** Gives what is in a directory of the store, where an expression matches its full path, an owner and a mode. */
export interface Perm {
  readonly path: StorePath;
  readonly regex: RE2JS;
  readonly ownership: Ownership;
}

const id = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 2)), 0);
const name = v.nullish(
  v.pipe(v.string(), v.regex(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,30}\$?$/, 'is no user name')),
);

const PermsSchema = v.array(
  v.strictObject({
    path: v.string(),
    regex: v.string(),
    mode: v.nullish(
      v.pipe(
        v.string(),
        v.regex(/^0*[0-7]{1,4}$/, 'is not octal permission bits, such as "0755"'),
        v.transform((text) => Number.parseInt(text, 8)),
      ),
    ),
    uid: id,
    gid: id,
    uname: name,
    gname: name,
  }),
);

/**
 * Reads a `--perms` file: a list of objects with `path`, `regex` and any of `mode`, `uid`, `gid`, `uname` and `gname`, as
 * nix2container's (nlewo) `perms`.
 *
 * @param where names the file in messages.
 * @throws StatusError InvalidArgument naming the item and what is wrong with it.
 */
export function parsePerms(bytes: Uint8Array, where: string): readonly Perm[] {
  return parseJson(PermsSchema, bytes, where).map(({ path: text, regex, ...given }, at) => {
    const path = parseStorePath(withoutTrailingSlashes(text));
    if (path === undefined) throw wrong(where, at, 'path', text, 'is not a store path');
    return { path, regex: expression(regex, where, at), ownership: ownershipOf(given) };
  });
}

/**
 * What is told of a file: of several that match, each adds to those before it; undefined where none does.
 *
 * @param from the directory of the store that it is in.
 * @param source its full path there.
 */
export function ownershipIn(perms: readonly Perm[], from: StorePath, source: string): Ownership | undefined {
  return perms
    .filter(({ path, regex }) => path === from && regex.matcher(source).find())
    .reduce<Ownership | undefined>((before, { ownership }) => ({ ...before, ...ownership }), undefined);
}

/** Six octal digits: what the header of a tar has room for. */
const MAX_HEADER_ID = 0o777777;

/** The members of a tar header that say who owns a file. A number too large for the header goes into PAX records. */
export function ownerHeader({ uid, gid, uname, gname }: Ownership) {
  const pax = Object.fromEntries(
    Object.entries({ uid, gid })
      .filter(([, number]) => number > MAX_HEADER_ID)
      .map(([member, number]) => [member, String(number)]),
  );
  return {
    uid,
    gid,
    ...(uname ? { uname } : {}),
    ...(gname ? { gname } : {}),
    ...(Object.keys(pax).length === 0 ? {} : { pax }),
  };
}

/**
 * A mode for a tar header of tar-stream, which takes 0 for none and writes its default, one that everybody may read. The bit that
 * is set in place of it is above those that are written.
 */
export function headerMode(mode: number): number {
  return mode === 0 ? 0o10000 : mode;
}

type Given = Omit<v.InferOutput<typeof PermsSchema>[number], 'path' | 'regex'>;

function ownershipOf({ uid, gid, uname, gname, mode }: Given): Ownership {
  return {
    uid,
    gid,
    ...(uname ? { uname } : {}),
    ...(gname ? { gname } : {}),
    ...(typeof mode === 'number' ? { mode } : {}),
  };
}

/** Go's expressions, as nix2container's; linear in time. */
function expression(text: string, where: string, at: number): RE2JS {
  try {
    return RE2JS.compile(text);
  } catch (cause) {
    throw wrong(where, at, 'regex', text, `is no regular expression: ${messageOf(cause)}`);
  }
}

function wrong(where: string, at: number, member: string, text: string, what: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `${where}: ${at}.${member}: ${JSON.stringify(text.slice(0, 300))} ${what}`,
  );
}
