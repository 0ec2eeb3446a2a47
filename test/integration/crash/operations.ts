import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import { StatusError } from '../../../src/errors.ts';
import { SNAPSHOT_REF_LABEL } from '../../../src/snapshot/labels.ts';
import type { Random } from './random.ts';
import { IMAGES, type World } from './world.ts';

const GC_ROOT = { 'containerd.io/gc.root': 'yes' };

/** A snapshot that a client made through containerd, as the test remembers it. */
export interface Expected {
  readonly parent: string;
  readonly kind: 'ACTIVE' | 'VIEW' | 'COMMITTED';
  readonly labels: Readonly<Record<string, string>>;
  /** Text of the file, named after the snapshot it was written to, that its own layer holds. */
  readonly file?: { readonly name: string; readonly text: string };
}

/** What containerd's client has been told is there. */
export interface Model {
  readonly snapshots: Map<string, Expected>;
  readonly images: Set<string>;
  readonly containers: Map<string, string>;
}

/** One operation: `work` may be done again after it has failed, and `done` is what a success changes. */
export interface Operation {
  readonly name: string;
  /** About how long it takes, in milliseconds: when the kill comes. */
  readonly span: number;
  readonly work: () => Promise<void>;
  readonly done: () => void;
}

type Maker = (world: World, model: Model, random: Random, number: number) => Operation | undefined;

/** Chooses an operation that the model allows. */
export function chooseOperation(world: World, model: Model, random: Random, number: number): Operation {
  for (;;) {
    const operation = random.pick(MAKERS)?.(world, model, random, number);
    if (operation !== undefined) return operation;
  }
}

/** Prepare by a client: an ordinary snapshot, or one of a Nix layer. */
function prepare(nix: boolean): Maker {
  return (world, model, random, number) => {
    const key = `s${number}`;
    const parent = parentFor(model, random);
    const named = nix ? { [CLOSURE_ANNOTATION]: world.closure, [SNAPSHOT_REF_LABEL]: `ref-${number}` } : {};
    const labels = { ...GC_ROOT, ...named };
    const file = { name: `file-${number}`, text: `${random.next()}` };
    return {
      name: nix ? 'prepare a Nix layer' : 'prepare',
      span: nix ? 60 : 8,
      async work() {
        const { mounts } = await world.snapshots.Prepare({ snapshotter: 'nix', key, parent, labels });
        await world.fill(mounts, file.name, file.text);
        if (nix) await world.mark(mounts);
      },
      done: () => model.snapshots.set(key, { kind: 'ACTIVE', parent, labels, file }),
    };
  };
}

const view: Maker = (world, model, random, number) => {
  const key = `s${number}`;
  const parent = parentFor(model, random);
  return {
    name: 'view',
    span: 8,
    async work() {
      await world.snapshots.View({ snapshotter: 'nix', key, parent, labels: GC_ROOT });
    },
    done: () => model.snapshots.set(key, { kind: 'VIEW', parent, labels: GC_ROOT }),
  };
};

/**
 * Commit. containerd rolls its own change back when it gets no answer, though ours may stand: then its key has no
 * snapshot any more, and a client starts anew from Prepare, as the unpacker does.
 */
const commit: Maker = (world, model, random, number) => {
  const [key, active] = random.pick(only(model, 'ACTIVE')) ?? [];
  if (key === undefined || active?.file === undefined) return undefined;
  const { parent, labels, file } = active;
  const name = `c${number}`;
  const redo = async () => {
    await world.snapshots.Remove({ snapshotter: 'nix', key });
    const { mounts } = await world.snapshots.Prepare({ snapshotter: 'nix', key, parent, labels });
    await world.fill(mounts, file.name, file.text);
    if (CLOSURE_ANNOTATION in labels) await world.mark(mounts);
    await world.snapshots.Commit({ snapshotter: 'nix', name, key, labels });
  };
  let lost = false;
  return {
    name: 'commit',
    span: 8,
    async work() {
      try {
        if (lost) await redo();
        else await world.snapshots.Commit({ snapshotter: 'nix', name, key, labels });
      } catch (error) {
        if (!(error instanceof StatusError) || error.code !== 'NotFound') throw error;
        lost = !lost;
        throw new StatusError('Unavailable', error.message, { cause: error });
      }
    },
    done() {
      model.snapshots.delete(key);
      model.snapshots.set(name, { ...active, kind: 'COMMITTED' });
    },
  };
};

const remove: Maker = (world, model, random) => {
  const parents = new Set([...model.snapshots.values()].map(({ parent }) => parent));
  const leaves = [...model.snapshots.keys()].filter((key) => !parents.has(key));
  const key = random.pick(leaves);
  if (key === undefined || model.snapshots.size < 8) return undefined;
  return {
    name: 'remove',
    span: 8,
    async work() {
      await world.snapshots.Remove({ snapshotter: 'nix', key });
    },
    done: () => model.snapshots.delete(key),
  };
};

const update: Maker = (world, model, random, number) => {
  const [key, expected] = random.pick([...model.snapshots]) ?? [];
  if (key === undefined || expected === undefined) return undefined;
  const label = 'containerd.io/snapshot/test';
  const labels = { ...expected.labels, [label]: String(number) };
  return {
    name: 'update labels',
    span: 8,
    async work() {
      const info = { name: key, labels };
      await world.snapshots.Update({ snapshotter: 'nix', info, update_mask: { paths: [`labels.${label}`] } });
    },
    done: () => model.snapshots.set(key, { ...expected, labels }),
  };
};

const unpack: Maker = (world, model, random) => {
  const image = random.pick(IMAGES.filter((name) => !model.images.has(name)));
  if (image === undefined) return undefined;
  return {
    name: `unpack ${image}`,
    span: 400,
    async work() {
      await world.ctr('image', 'import', '--snapshotter', 'nix', world.archive(image));
    },
    done: () => model.images.add(image),
  };
};

const removeImage: Maker = (world, model, random) => {
  const image = random.pick([...model.images]);
  if (image === undefined) return undefined;
  return {
    name: `remove ${image}`,
    span: 150,
    async work() {
      await world.ctr('image', 'rm', '--sync', image);
    },
    done: () => model.images.delete(image),
  };
};

const collect: Maker = (world) => ({
  name: 'collect garbage',
  span: 150,
  async work() {
    await world.ctr('content', 'prune', 'references');
  },
  done() {},
});

const run: Maker = (world, model, random, number) => {
  const image = random.pick([...model.images]);
  if (image === undefined || model.containers.size > 3) return undefined;
  const id = `container-${number}`;
  const text = `echo ${id} > /mine; exec sleep 100000`;
  return {
    name: `run ${image}`,
    span: 300,
    async work() {
      await forget(world, id);
      await world.ctr('run', '--detach', '--snapshotter', 'nix', image, id, 'sh', '-c', text);
    },
    done: () => model.containers.set(id, image),
  };
};

const exec: Maker = (world, model, random, number) => {
  const id = random.pick([...model.containers.keys()]);
  if (id === undefined) return undefined;
  return {
    name: 'exec',
    span: 100,
    async work() {
      const test = ['test', '-e', '/bin/busybox'];
      await world.ctr('task', 'exec', '--exec-id', `e${number}-${performance.now()}`, id, ...test);
    },
    done() {},
  };
};

const stop: Maker = (world, model, random) => {
  const id = random.pick([...model.containers.keys()]);
  if (id === undefined) return undefined;
  return {
    name: 'stop and delete',
    span: 200,
    work: () => forget(world, id),
    done: () => model.containers.delete(id),
  };
};

/** Removes what there is of a container: none, its snapshot alone, a stopped or a running one. */
/** Takes away what is there of a container. */
export async function forget(world: World, id: string): Promise<void> {
  const has = async (...list: readonly string[]) =>
    (await world.ctr(...list)).split('\n').some((line) => line.split(/\s/)[0] === id);
  if (await has('task', 'ls')) await world.ctr('task', 'rm', '--force', id);
  if (await has('container', 'ls', '-q')) await world.ctr('container', 'rm', id);
  const snapshots = ['snapshot', '--snapshotter', 'nix'];
  if (await has(...snapshots, 'ls')) await world.ctr(...snapshots, 'rm', id);
}

function parentFor(model: Model, random: Random): string {
  return random.pick(['', ...only(model, 'COMMITTED').map(([key]) => key)]) ?? '';
}

function only(model: Model, kind: Expected['kind']): readonly [string, Expected][] {
  return [...model.snapshots].filter(([, expected]) => expected.kind === kind);
}

const MAKERS: readonly Maker[] = [
  prepare(false),
  prepare(false),
  prepare(true),
  view,
  commit,
  commit,
  remove,
  remove,
  update,
  unpack,
  removeImage,
  collect,
  run,
  exec,
  stop,
];
