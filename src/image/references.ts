import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { parseRegistration } from '../nix/registration.ts';
import type { ReferenceGraph } from '../nix/store.ts';
import type { NixQuery } from './nix-query.ts';

/** Beside `store-paths` in a `closureInfo` output: the references. Source: nixpkgs `pkgs/build-support/closure-info.nix`. */
const REGISTRATION_FILE = 'registration';

/**
 * What each path of a closure refers to: as the `registration` beside a `store-paths` file says, so that Nix need not be asked
 * inside a build; else as Nix says.
 *
 * @param closureFile a `store-paths` file, where there is one.
 * @throws StatusError Internal for a registration that is none; what Nix raises.
 */
export async function readReferences(
  paths: readonly StorePath[],
  closureFile: string | undefined,
  nix: Pick<NixQuery, 'references'>,
): Promise<ReferenceGraph> {
  const registered = closureFile === undefined ? new Map() : await readRegistration(closureFile);
  const unknown = paths.filter((path) => !registered.has(path));
  const asked = unknown.length === 0 ? new Map() : await nix.references(unknown);
  return new Map(paths.map((path) => [path, registered.get(path) ?? asked.get(path) ?? []]));
}

async function readRegistration(closureFile: string): Promise<ReferenceGraph> {
  const file = join(dirname(closureFile), REGISTRATION_FILE);
  try {
    return parseRegistration(await readFile(file, 'utf8'), file);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return new Map();
    if (cause instanceof StatusError) throw cause;
    throw new StatusError('Internal', `${file}: cannot be read: ${messageOf(cause)}`, { cause });
  }
}
