import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import { LAYER_MARKER } from '../../../src/closure/recover.ts';
import { busyboxEntries } from '../../fixtures/images.ts';
import { type ArchiveLayer, type LayerEntry, ociArchive } from '../../fixtures/oci-archive.ts';
import { buildPackages, closureInfo, closureOf } from '../../fixtures/packages.ts';
import type { ExecResult } from '../../sandbox/sandbox.ts';
import type { Rig } from '../support/rig.ts';

/** A file of the host that no container may read, on the store's file system, and what stands in it. */
export const SECRET = '/var/lib/host-secret/canary';
export const CANARY = 'CANARY-OF-THE-HOST';

/** What images are made of, on one node. */
export interface World {
  readonly rig: Rig;
  readonly greeter: string;
  /** A store path that is a symlink to {@link SECRET}. */
  readonly link: string;
  /** A path of the store that is in no image's closure. */
  readonly other: string;
  readonly closureInfo: string;
  readonly closure: readonly string[];
  /** Busybox in a base layer, then the closure's layer. */
  readonly layers: readonly ArchiveLayer[];
}

export async function makeWorld(rig: Rig): Promise<World> {
  const { node } = rig;
  await node.writeFile(SECRET, `${CANARY}\n`);
  const { greeter, plus: other } = await buildPackages(node, ['greeter', 'plus']);
  const { stdout: link } = await node.sh(
    `ln -s ${SECRET} /tmp/to-the-host; nix-store --add /tmp/to-the-host`,
  );
  const closureInfoPath = await closureInfo(node, [greeter, link]);
  const nixLayer: ArchiveLayer = {
    entries: [...STORE_DIRECTORIES, { path: LAYER_MARKER, content: `${closureInfoPath}\n` }],
    annotations: { [CLOSURE_ANNOTATION]: closureInfoPath },
  };
  return {
    rig,
    greeter,
    link,
    other,
    closureInfo: closureInfoPath,
    closure: await closureOf(node, [greeter, link]),
    layers: [{ entries: await busyboxEntries(node) }, nixLayer],
  };
}

export const STORE_DIRECTORIES: readonly LayerEntry[] = ['nix', 'nix/store'].map((path) => ({
  path,
  type: 'directory',
}));

/** Loads an image of these layers; its exit code tells whether containerd took it. */
export async function load(
  { rig }: World,
  name: string,
  layers: readonly ArchiveLayer[],
): Promise<ExecResult> {
  const file = `/tmp/images/${name.replaceAll(/\W/g, '-')}.tar`;
  await rig.node.writeFile(file, await ociArchive({ name, layers }));
  return await rig.nix2container(['load', file], { reject: false });
}
