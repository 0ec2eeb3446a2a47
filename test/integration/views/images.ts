import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import type { LayerEntry } from '../../fixtures/oci-archive.ts';
import { type PackageName, buildPackages, closureOf } from '../../fixtures/packages.ts';
import { baseArchive } from '../support/base-image.ts';
import { OciLayout } from '../support/oci-layout.ts';
import type { Rig } from '../support/rig.ts';

/** Where images and containers are: CRI sees no other namespace. */
export const NAMESPACE = 'k8s.io';

/** Images with one closure; what is under or over its layer differs. */
export const IMAGES = {
  /** A base layer, then the closure's. */
  plain: 'localhost/view:plain',
  /** Its config names the volume `/data`, which the base layer has a file in. */
  volume: 'localhost/view:volume',
  /** A layer on top deletes store paths, replaces some, and reaches into others. */
  changed: 'localhost/view:changed',
  /** A layer on top makes `/nix/store` opaque. */
  opaque: 'localhost/view:opaque',
  /** The base layer has a file of its own in one of the store paths. */
  merged: 'localhost/view:merged',
} as const;

/** Content of `/data/seed` in all of them. */
export const SEED = 'from the base layer\n';
/** Content of every file that a layer other than the closure's has below `/nix/store`. */
export const LAYERED = 'by an ordinary layer\n';

const PACKAGES = [
  'busybox',
  'greeter',
  'everything',
  'executable',
  'file',
  'emptyDirectory',
  'linkToDirectory',
  'plus',
  'equals',
] as const satisfies readonly PackageName[];

export type Packages = Readonly<Record<(typeof PACKAGES)[number], string>>;

/** The closure of {@link IMAGES}, in the node's store. */
export interface ImagesClosure {
  readonly packages: Packages;
  /** Two store paths with one file each, of the same content. */
  readonly twins: readonly string[];
  /** All of them, sorted. */
  readonly paths: readonly string[];
}

/** Builds and loads all {@link IMAGES}; the binary cache gets their closure. */
export async function loadImages(rig: Rig): Promise<ImagesClosure> {
  const packages = await buildPackages(rig.node, PACKAGES);
  const twins = await addTwins(rig);
  const top = [packages.everything, ...twins];
  const paths = await closureOf(rig.node, [packages.greeter, ...top]);

  const plain = await build(rig, { greeter: packages.greeter, top, name: 'plain' });
  const merged = await build(rig, {
    greeter: packages.greeter,
    top,
    name: 'merged',
    entries: below(packages.plus),
  });
  const volume = await copyOf(rig, plain, 'volume');
  await volume.configure({ Volumes: { '/data': {} } });
  const changed = await copyOf(rig, plain, 'changed');
  await changed.appendLayer(changes(packages));
  const opaque = await copyOf(rig, plain, 'opaque');
  await opaque.appendLayer([
    ...storeDirectories(),
    { path: 'nix/store/.wh..wh..opq' },
    { path: 'nix/store/only', content: LAYERED },
  ]);
  const closureInfos = await volume.annotations(CLOSURE_ANNOTATION);
  await rig.cache.add(closureInfos);
  for (const [name, ref] of Object.entries(IMAGES)) {
    const layout = name === 'merged' ? merged : `${DIR}/${name}`;
    await rig.nix2container(['-n', NAMESPACE, 'load', '--ref', ref, layout]);
  }
  return { packages, twins, paths };
}

async function addTwins({ node }: Rig): Promise<readonly string[]> {
  const paths = ['one', 'other'].map((name) => `/tmp/twins/${name}-twin`);
  for (const path of paths) await node.writeFile(`${path}/file`, 'the same content\n');
  return (await node.exec(['nix-store', '--add', ...paths])).stdout.split('\n');
}

const DIR = '/tmp/images/views';

/** Our tool's layout of a base layer and the closure's. */
async function build(
  rig: Rig,
  {
    greeter,
    top,
    name,
    entries = [],
  }: {
    readonly greeter: string;
    readonly top: readonly string[];
    readonly name: string;
    readonly entries?: readonly LayerEntry[];
  },
): Promise<string> {
  const base = `${DIR}/${name}.base.tar`;
  const seed: readonly LayerEntry[] = [
    { path: 'data', type: 'directory' },
    { path: 'data/seed', content: SEED },
  ];
  const archive = await baseArchive(rig.node, { name: 'localhost/base:1', entries: [...seed, ...entries] });
  await rig.node.writeFile(base, archive);
  const flags = ['--format', 'oci-layout', '--log-level', 'error', '--ref', 'localhost/view:1'];
  const from = ['--from-image', base, '--copy-to-root', greeter];
  await rig.nix2container(['build', ...flags, ...from, '--out', `${DIR}/${name}`, ...top]);
  return `${DIR}/${name}`;
}

async function copyOf(rig: Rig, layout: string, name: string): Promise<OciLayout> {
  await rig.node.exec(['cp', '-a', layout, `${DIR}/${name}`]);
  return new OciLayout({ dir: rig.node.hostPath(`${DIR}/${name}`) });
}

function storeDirectories(): readonly LayerEntry[] {
  return ['nix', 'nix/store'].map((path) => ({ path, type: 'directory' }));
}

/** A store path's directory with a file that the store does not have. */
function below(path: string): readonly LayerEntry[] {
  const name = path.slice(1);
  return [
    ...storeDirectories(),
    { path: name, type: 'directory' },
    { path: `${name}/of-the-layer`, content: LAYERED },
  ];
}

function changes({ greeter, file, emptyDirectory, plus, equals }: Packages): readonly LayerEntry[] {
  const name = (path: string) => path.slice('/nix/store/'.length);
  const inside = (path: string) => path.slice(1);
  return [
    ...storeDirectories(),
    // A directory path goes.
    { path: `nix/store/.wh.${name(equals)}` },
    // A directory path becomes a file, a file path a directory.
    { path: inside(emptyDirectory), content: LAYERED },
    { path: inside(file), type: 'directory' },
    { path: `${inside(file)}/of-the-layer`, content: LAYERED },
    // A directory path gains a file, another one loses one.
    { path: inside(plus), type: 'directory', mode: 0o555 },
    { path: `${inside(plus)}/of-the-layer`, content: LAYERED },
    { path: inside(greeter), type: 'directory', mode: 0o555 },
    { path: `${inside(greeter)}/share`, type: 'directory', mode: 0o555 },
    { path: `${inside(greeter)}/share/.wh.greeter` },
  ];
}
