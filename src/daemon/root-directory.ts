import { messageOf, StatusError } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';
import { refuseGoRoot } from '../metadata/go-root.ts';
import { openMetadata, type OpenMetadata, type OpenMetadataDeps } from '../metadata/open-metadata.ts';
import { greatestId } from '../snapshot/greatest-id.ts';
import type { Layout } from '../snapshot/layout.ts';

/**
 * Makes the directories below the daemon's root, and opens its metadata.
 *
 * @throws StatusError FailedPrecondition when the root cannot be used, is in use or is the Go version's.
 */
export async function openRoot(layout: Layout, deps: OpenMetadataDeps): Promise<OpenMetadata> {
  try {
    refuseGoRoot(layout.root);
    for (const directory of [layout.root, layout.metadata, layout.snapshots, layout.gcRoots]) {
      await makeDirectories(directory, 0o700);
    }
    const minimumId = await greatestId(layout);
    return await openMetadata({ directory: layout.metadata, minimumId }, deps);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError(
      'FailedPrecondition',
      `root ${layout.root} cannot be used: ${messageOf(error)}; make it writable or choose another --root`,
      { cause: error },
    );
  }
}
