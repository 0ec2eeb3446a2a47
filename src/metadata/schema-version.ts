import { StatusError } from '../errors.ts';
import { VERSION } from '../version.ts';

/**
 * The version of what is stored. 1: records in the database alone, which named no version. 2: a copy of each record in its
 * snapshot's directory.
 */
export const SCHEMA = 2;

/** The version that a database names; those of version 1 name none. */
export function schemaOf(text: string | undefined): number {
  return text === undefined ? 1 : Number(text);
}

/**
 * Refuses what this program does not know: it would lose what it does not understand.
 *
 * @throws StatusError FailedPrecondition with the version found, the version known and what to do.
 */
export function checkSchema(found: number, directory: string): void {
  if (Number.isSafeInteger(found) && found >= 1 && found <= SCHEMA) return;
  throw new StatusError(
    'FailedPrecondition',
    `metadata ${directory} has schema version ${found}, and nix-snapshotter ${VERSION} knows versions up to ${SCHEMA}: a newer ` +
      'nix-snapshotter wrote it. Nothing was changed. Install that version again; or, to go back to this one, remove all containers and images of ' +
      'this snapshotter while the newer version runs, stop it, and move the root directory away',
  );
}
