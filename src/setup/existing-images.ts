import type { Target } from './file-change.ts';

/**
 * Lists the containers of every namespace that use our snapshotter.
 *
 * @param ctr the command that asks the containerd in question.
 */
export function listContainers(ctr: 'ctr' | 'k3s ctr'): string {
  return (
    `for n in $(${ctr} namespace ls -q); do for c in $(${ctr} -n $n container ls -q); do ` +
    `if ${ctr} -n $n container info $c | grep -q '"Snapshotter": "nix'; then echo $n $c; fi; done; done`
  );
}

/** What becomes of images and containers that were there before, in words. */
export function imagesAfterSetup(targets: readonly Target[]): string {
  if (!hasSnapshotter(targets)) return '';
  return (
    '\nNot touched: images, containers, and what runs. An image that is here already is unpacked again, from what containerd keeps ' +
    'of it, when it is next used.\nWhere containerd keeps nothing (discard_unpacked_layers), pull it again: crictl pull IMAGE\n'
  );
}

/** What becomes of images and containers that the snapshotter holds, in words. */
export function imagesAfterUndo(targets: readonly Target[]): string {
  if (!hasSnapshotter(targets)) return '';
  const lists = [
    ...(targets.includes('containerd') ? [listContainers('ctr')] : []),
    ...(targets.includes('k3s') ? [listContainers('k3s ctr')] : []),
  ];
  return (
    '\nNot touched: images, containers, and what runs. Delete the containers that use the snapshotter before the restart: afterwards ' +
    `containerd cannot. This lists them:\n${lists.map((one) => `  ${one}\n`).join('')}` +
    'Images of store paths do not run without the snapshotter: crictl rmi IMAGE. Others are unpacked again when they are next used.\n'
  );
}

function hasSnapshotter(targets: readonly Target[]): boolean {
  return targets.includes('containerd') || targets.includes('k3s');
}
