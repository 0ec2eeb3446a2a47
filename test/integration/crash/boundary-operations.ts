import type { SnapshotsInfo } from '../../../proto/gen/messages.ts';
import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import { StatusError } from '../../../src/errors.ts';
import { SNAPSHOT_REF_LABEL } from '../../../src/snapshot/labels.ts';
import { inside } from '../../sandbox/layout.ts';
import type { Crossing } from './orders.ts';
import { IMAGES, type World } from './world.ts';

const KEPT = { 'containerd.io/gc.root': 'yes' };
const NIX_IMAGE = IMAGES[2];

interface KnownLayer {
  readonly chainId: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What all operations are made on: images' and clients' snapshots that no crash may touch. */
export interface Ground {
  /** A committed snapshot without a closure. */
  readonly plain: string;
  /** A committed Nix layer without mount points. */
  readonly bare: string;
  /** Chain ID of an image whose Nix layer lies between ordinary ones. */
  readonly interleaved: string;
  /** What a client sends that unpacks a layer of ours whose blob is there. */
  readonly known: KnownLayer;
  /** The same of a layer that says which store paths it holds. */
  readonly layered: KnownLayer;
}

/** An operation of the snapshotter as containerd asks for it; `id` is another one each time. */
export interface BoundaryOperation {
  readonly name: string;
  /** Configuration of the daemon; none unless told. */
  readonly config?: string;
  /** What fails on the way, so that steps are undone. */
  readonly fail?: Crossing;
  readonly before?: (world: World, ground: Ground, id: string) => Promise<void>;
  /** May be done again after a failure. */
  readonly work: (world: World, ground: Ground, id: string) => Promise<void>;
  /** Takes away what `work` made. */
  readonly undo: (world: World, id: string, ground: Ground) => Promise<void>;
}

/** One of each kind of plan. */
export const BOUNDARY_OPERATIONS: readonly BoundaryOperation[] = [
  { name: 'Prepare', work: (world, _, id) => prepare(world, id, ''), undo: remove },
  {
    name: 'Prepare on a layer',
    work: (world, { plain }, id) => prepare(world, id, plain),
    undo: remove,
  },
  {
    name: 'Prepare of a Nix layer',
    work: (world, _, id) => prepare(world, id, '', nixLabels(world, id)),
    undo: remove,
  },
  {
    name: 'Prepare of a Nix layer that fails and is taken back',
    fail: { line: 'before put', time: 1 },
    work: (world, _, id) => prepare(world, id, '', nixLabels(world, id)),
    undo: remove,
  },
  {
    name: 'Prepare of a Nix layer whose Apply waits',
    config: '[prepare]\nwait = "apply"\n',
    work: (world, _, id) => prepare(world, id, '', nixLabels(world, id)),
    undo: remove,
  },
  {
    name: 'Prepare of a Nix layer that is known',
    work: (world, { known }, id) => prepare(world, id, '', known.labels),
    undo: (world, _, { known }) => remove(world, known.chainId),
  },
  {
    name: 'Prepare of a layer that is verified',
    work: (world, { layered }, id) => prepare(world, id, '', layered.labels),
    undo: (world, _, { layered }) => remove(world, layered.chainId),
  },
  {
    name: 'Prepare of a layer that is verified, fails and is taken back',
    fail: { line: 'before put', time: 1 },
    work: (world, { layered }, id) => prepare(world, id, '', layered.labels),
    undo: (world, _, { layered }) => remove(world, layered.chainId),
  },
  {
    name: 'Prepare of a container on an interleaved chain',
    work: (world, { interleaved }, id) => prepare(world, id, interleaved),
    undo: remove,
  },
  {
    name: 'Prepare of a container that is shown binds',
    config: 'view = "binds"\n',
    work: (world, { bare }, id) => prepare(world, id, bare),
    undo: remove,
  },
  {
    name: 'View',
    work: async (world, { interleaved: parent }, id) => {
      await existing(world.snapshots.View({ snapshotter: 'nix', key: id, parent, labels: KEPT }));
    },
    undo: remove,
  },
  {
    name: 'Commit',
    before: (world, { plain }, id) => prepare(world, id, plain),
    work: (world, { plain }, id) => commit(world, id, plain, {}),
    undo: (world, id) => remove(world, `${id}-committed`),
  },
  {
    name: 'Commit of a Nix layer',
    before: (world, _, id) => unpack(world, id, '', nixLabels(world, id)),
    work: (world, _, id) => commit(world, id, '', nixLabels(world, id)),
    undo: (world, id) => remove(world, `${id}-committed`),
  },
  {
    name: 'Commit that names a closure',
    before: (world, _, id) => unpack(world, id, '', {}),
    work: (world, _, id) => commit(world, id, '', nixLabels(world, id)),
    undo: (world, id) => remove(world, `${id}-committed`),
  },
  {
    name: 'Update',
    before: (world, _, id) => prepare(world, id, ''),
    work: async (world, _, id) => {
      const info = { name: id, labels: { 'containerd.io/snapshot/test': id } };
      const paths = ['labels.containerd.io/snapshot/test'];
      await world.snapshots.Update({ snapshotter: 'nix', info, update_mask: { paths } });
    },
    undo: remove,
  },
  {
    name: 'Remove',
    before: (world, _, id) => prepare(world, id, ''),
    work: removeAndCollect,
    undo: () => Promise.resolve(),
  },
  {
    name: 'Remove of a Nix layer',
    before: (world, _, id) => prepare(world, id, '', nixLabels(world, id)),
    work: removeAndCollect,
    undo: () => Promise.resolve(),
  },
  {
    name: 'Cleanup',
    async before({ node, snapshotter: { root } }) {
      await node.sh(`mkdir -p ${root}/snapshots/900001/fs; ln -sfn /nix/store/none ${root}/gcroots/900002`);
    },
    work: async (world) => {
      await world.direct(({ snapshots }) => snapshots.Cleanup({}));
    },
    undo: () => Promise.resolve(),
  },
];

/** Puts the images and snapshots on the node that the operations need. */
export async function layGround(world: World): Promise<Ground> {
  const before = new Set((await layersOf(world)).map(({ name }) => name));
  await world.ctr('image', 'import', '--snapshotter', 'nix', world.archive(NIX_IMAGE));
  const interleaved = await topOf(world, before);
  await prepare(world, 'plain', '');
  await commit(world, 'plain', '', {});
  await unpack(world, 'bare', '', nixLabels(world, 'bare'));
  await commit(world, 'bare', '', nixLabels(world, 'bare'));
  return {
    plain: 'plain-committed',
    bare: 'bare-committed',
    interleaved,
    known: await loadedLayer(world, 'known', []),
    layered: await loadedLayer(world, 'layered', ['--layered']),
  };
}

/** The uppermost snapshot of the only image of several layers that is there. */
async function topOf(world: World, without: ReadonlySet<string>): Promise<string> {
  const layers = (await layersOf(world)).filter(({ name }) => !without.has(name));
  const parents = new Set(layers.map(({ parent }) => parent));
  const top = layers.find(({ name }) => !parents.has(name));
  if (top === undefined) throw new Error('the image has no layers of its own');
  return top.name;
}

/** Loads an image of ours, whose blobs stay, takes its layers' snapshots away, and says what the lowest one was. */
async function loadedLayer(world: World, name: string, flags: readonly string[]): Promise<KnownLayer> {
  const before = new Set((await layersOf(world)).map((layer) => layer.name));
  const tool = ['node', `${inside.project}/dist/nix2container.mjs`];
  const archive = `/tmp/images/${name}.tar`;
  const build = ['build', '--closure', `${world.closure}/store-paths`, ...flags];
  await world.node.exec([...tool, ...build, '--ref', `localhost/${name}:1`, archive]);
  await world.node.exec([...tool, 'load', archive]);
  const layers = (await layersOf(world)).filter((layer) => !before.has(layer.name));
  const lowest = layers.find(({ parent }) => parent === '');
  if (lowest === undefined) throw new Error(`image ${name} has no layers of its own`);
  for (let left = layers; left.length > 0; ) {
    const parents = new Set(left.map(({ parent }) => parent));
    for (const leaf of left.filter((layer) => !parents.has(layer.name))) await remove(world, leaf.name);
    left = left.filter((layer) => parents.has(layer.name));
  }
  return { chainId: lowest.name, labels: lowest.labels };
}

async function layersOf(world: World): Promise<readonly SnapshotsInfo[]> {
  const all: SnapshotsInfo[] = [];
  for await (const { info } of world.snapshots.List({ snapshotter: 'nix' })) all.push(...info);
  return all.filter(({ kind, name }) => kind === 'COMMITTED' && name.startsWith('sha256:'));
}

async function prepare(
  world: World,
  key: string,
  parent: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  await existing(
    world.snapshots.Prepare({ snapshotter: 'nix', key, parent, labels: { ...KEPT, ...labels } }),
  );
}

/** Prepare of a layer, with what makes it a Nix layer in it. */
async function unpack(
  world: World,
  key: string,
  parent: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  await prepare(world, key, parent, labels);
  const { mounts } = await world.snapshots.Mounts({ snapshotter: 'nix', key });
  await world.mark(mounts);
}

/**
 * Commit. containerd rolls its own change back when it gets no answer, though ours may stand: then its key has no snapshot
 * any more, and a client starts anew from Prepare, as the unpacker does. So it does where what it unpacked was lost.
 */
async function commit(
  world: World,
  key: string,
  parent: string,
  more: Readonly<Record<string, string>>,
): Promise<void> {
  const labels = { ...KEPT, ...more };
  const request = { snapshotter: 'nix', name: `${key}-committed`, key, labels };
  const work = () => existing(world.snapshots.Commit(request));
  try {
    await work();
  } catch (error) {
    const isLost = world.hasLostFiles && isCode(error, 'InvalidArgument');
    if (!isLost && !isCode(error, 'NotFound')) throw error;
    await world.snapshots.Remove({ snapshotter: 'nix', key });
    await unpack(world, key, parent, {});
    await work();
  }
}

async function remove(world: World, key: string): Promise<void> {
  try {
    await world.snapshots.Remove({ snapshotter: 'nix', key });
  } catch (error) {
    if (!isCode(error, 'NotFound')) throw error;
  }
}

async function removeAndCollect(world: World, _: Ground, id: string): Promise<void> {
  await remove(world, id);
  await world.collectGarbage();
}

/** What is there already was made by the call that got no answer. */
async function existing(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error;
  }
}

function isCode(error: unknown, code: StatusError['code']): boolean {
  return error instanceof StatusError && error.code === code;
}

function nixLabels({ closure }: World, id: string): Readonly<Record<string, string>> {
  return { [CLOSURE_ANNOTATION]: closure, [SNAPSHOT_REF_LABEL]: `ref-${id}` };
}
