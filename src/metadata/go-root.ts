import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '../errors.ts';

/**
 * Refuses a root that the Go version of nix-snapshotter has filled: its records are in a bolt file, `metadata.db` (containerd's
 * `core/snapshots/storage`), which this version does not read, and every snapshot there would count as nobody's and be removed.
 *
 * @throws StatusError FailedPrecondition naming the root and what to do.
 */
export function refuseGoRoot(root: string): void {
  const file = join(root, 'metadata.db');
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return;
  throw new StatusError(
    'FailedPrecondition',
    `root ${root} belongs to the Go version of nix-snapshotter (${file} is there), whose snapshots cannot be taken over, and ` +
      'is left as it is. While that version runs, delete its containers and images in every namespace of containerd ' +
      '(crictl rmp -af and crictl rmi -a; nerdctl rm -f and nerdctl rmi); then stop it, and move the directory away. Or give this version ' +
      'a root and a snapshotter name of its own',
  );
}
