import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LayerClosure } from '../closure/annotations.ts';
import { planNixLayer } from '../closure/nix-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { type AddedContents, addedLayers } from './added-layers.ts';
import { assembleImage } from './assemble.ts';
import { type BaseImage, NO_BASE, readBaseImage } from './base-image.ts';
import { closureInfoOf, copyToRootArgument, mentionedPaths, readInput } from './build-inputs.ts';
import { buildWarnings } from './build-warnings.ts';
import { readClosureFile } from './closure-file.ts';
import type { Compression } from './compression.ts';
import { detectPlatform } from './detect-platform.ts';
import { type FakeRoot, readFakeRoot } from './fake-root.ts';
import type { RunConfig } from './image-config.ts';
import type { ImageSet } from './image-set.ts';
import { mergeRunConfig } from './merge-config.ts';
import type { NixQuery } from './nix-query.ts';
import { openImages } from './open-images.ts';
import { type OutputImage, setOf } from './output-image.ts';
import { parsePerms } from './perms.ts';
import type { Platform } from './platform.ts';
import { readReferences } from './references.ts';
import { planRootLinks } from './root-links.ts';
import type { StoreFiles } from './store-files.ts';
import { writeDockerArchive, writeOciArchive } from './write-archive.ts';
import { writeOciLayout } from './write-layout.ts';

export type OutputFormat = 'oci-archive' | 'oci-layout' | 'docker-archive';

export interface BuildOptions {
  /** File or directory to write. */
  readonly out: string;
  /** Full reference the image is named by. */
  readonly ref: string;
  readonly format: OutputFormat;
  readonly compression: Compression;
  readonly config: RunConfig;
  /** The `store-paths` file of a closureInfo output; without it Nix is asked for the closure. */
  readonly closureFile?: string;
  /** Values of `--copy-to-root`. */
  readonly copyToRoot: readonly string[];
  /** Store paths to put in beside those that config and copy-to-root name. */
  readonly storePaths: readonly StorePath[];
  /** Archive or layout of the base image. */
  readonly fromImage?: string;
  readonly platform?: Platform;
  /** How the layer names its closure when Nix was asked for it. */
  readonly annotate: 'closure' | 'paths';
  /** Ordinary layers that hold the store paths, in place of one that names them. */
  readonly layered: boolean;
  /** JSON file: owners and modes of what copy-to-root shows. */
  readonly perms?: string;
  /** A tar that becomes the topmost layer. */
  readonly fakeRoot?: string;
}

export interface BuildDeps {
  readonly store: StoreFiles;
  readonly nix: NixQuery;
  /** Opens a base image; {@link openImages} unless told. */
  readonly openBase?: (path: string) => Promise<ImageSet>;
}

export interface BuildResult {
  readonly ref: string;
  readonly platform: Platform;
  /** Of the image manifest. */
  readonly digest: string;
  /** Number of store paths. */
  readonly storePaths: number;
  /** How the image names them. */
  readonly closure: LayerClosure;
  readonly warnings: readonly string[];
}

const WRITERS: Readonly<Record<OutputFormat, (image: OutputImage, out: string) => Promise<void>>> = {
  'oci-archive': writeOciArchive,
  'oci-layout': (image, out) => writeOciLayout(setOf(image), out),
  'docker-archive': writeDockerArchive,
};

interface Contents extends Omit<AddedContents, 'fakeRoot'> {
  /** Where to look for programs, most telling first. */
  readonly programs: readonly StorePath[];
  readonly mentioned: readonly StorePath[];
}

/**
 * Builds an image of store paths, and of links to them where they are asked for, and writes it. Same input, same bytes.
 *
 * @throws StatusError; nothing is left at `out` on failure (a layout keeps blobs nothing names).
 */
export async function buildImage(options: BuildOptions, deps: BuildDeps): Promise<BuildResult> {
  const { openBase = openImages, nix, store } = deps;
  const contents = await readContents(options, deps);
  const program = options.config.Entrypoint?.[0] ?? options.config.Cmd?.[0];
  const wanted = options.platform ?? (await detectPlatform(contents.root, program, contents.programs, store));
  const set = options.fromImage === undefined ? undefined : await openBase(options.fromImage);
  const directory = await mkdtemp(join(tmpdir(), 'nix2container-'));
  try {
    const base =
      set === undefined ? NO_BASE : await readBaseImage(set, wanted ?? (await nix.currentPlatform()));
    const platform = options.platform ?? base.platform ?? wanted ?? (await nix.currentPlatform());
    if (platform === undefined) {
      throw new StatusError(
        'InvalidArgument',
        'nothing tells what the image runs on: pass --platform, as linux/amd64',
      );
    }
    const fakeRoot =
      options.fakeRoot === undefined
        ? undefined
        : await readFakeRoot(options.fakeRoot, join(directory, 'unpacked.tar'));
    const added = await addedLayers(
      { ...contents, ...(fakeRoot === undefined ? {} : { fakeRoot: fakeRoot.file }) },
      { compression: options.compression, directory, below: base.layers.length },
      store,
    );
    const image = assembleImage({ ref: options.ref, platform, base, config: options.config, added });
    await writeImage(options, image);
    return {
      ref: options.ref,
      platform,
      digest: image.manifest.descriptor.digest,
      storePaths: contents.paths.length,
      closure: contents.closure,
      warnings: warningsOf(options, contents, { base, fakeRoot, image }),
    };
  } finally {
    await set?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

async function writeImage({ format, out }: BuildOptions, image: OutputImage): Promise<void> {
  try {
    await WRITERS[format](image, out);
  } catch (cause) {
    if (cause instanceof StatusError) throw cause;
    const code = errnoOf(cause) === 'ENOSPC' ? 'ResourceExhausted' : 'Internal';
    throw new StatusError(code, `${out}: cannot be written: ${messageOf(cause)}`, { cause });
  }
}

async function readContents(options: BuildOptions, { store, nix }: BuildDeps): Promise<Contents> {
  const trees = (await Promise.all(options.copyToRoot.map(copyToRootArgument))).flat();
  const mentioned = [...new Set([...trees, ...mentionedPaths(options.config)])].toSorted();
  const roots = [...new Set([...options.storePaths, ...mentioned])].toSorted();
  let paths: readonly StorePath[];
  let closure: LayerClosure;
  if (options.closureFile !== undefined) {
    const listed = await readClosureFile(options.closureFile);
    paths = [...new Set([...listed, ...options.storePaths])].toSorted();
    const info = options.storePaths.length === 0 ? await closureInfoOf(options.closureFile) : undefined;
    closure =
      info === undefined
        ? await nameClosure(options, paths, paths, nix)
        : { kind: 'closure-info', path: info };
  } else {
    if (roots.length === 0) {
      throw new StatusError(
        'InvalidArgument',
        'no store path is named: give some, or --closure, or an entrypoint in one',
      );
    }
    paths = await nix.closure(roots);
    closure = await nameClosure(options, roots, paths, nix);
  }
  const mountPoints = planNixLayer(await store.kinds(paths), closure);
  const perms = options.perms === undefined ? [] : parsePerms(await readInput(options.perms), options.perms);
  const root = planRootLinks(await Promise.all(trees.map((tree) => store.tree(tree))), mountPoints, perms);
  const references = options.layered ? await readReferences(paths, options.closureFile, nix) : undefined;
  // Without store paths on the command line any program of the closure tells the platform.
  const programs = options.closureFile === undefined ? roots : [...new Set([...roots, ...paths])];
  return {
    closure,
    paths,
    mountPoints,
    root,
    programs,
    mentioned,
    ...(references === undefined ? {} : { references }),
  };
}

async function nameClosure(
  { annotate }: BuildOptions,
  roots: readonly StorePath[],
  paths: readonly StorePath[],
  nix: NixQuery,
): Promise<LayerClosure> {
  return annotate === 'paths'
    ? { kind: 'paths', paths }
    : { kind: 'closure-info', path: await nix.closureInfo(roots, paths) };
}

function warningsOf(
  options: BuildOptions,
  contents: Contents,
  made: { readonly base: BaseImage; readonly fakeRoot: FakeRoot | undefined; readonly image: OutputImage },
): readonly string[] {
  const { base, fakeRoot, image } = made;
  const warnings = buildWarnings({
    base,
    merged: mergeRunConfig(base.config.config ?? {}, options.config),
    layers: image.layers.length,
    links: contents.root,
    fakeRoot: fakeRoot?.paths ?? new Set(),
    closure: new Set(contents.paths),
    mentioned: contents.mentioned,
  });
  if (options.format !== 'docker-archive') return warnings;
  const without = options.layered
    ? 'nodes unpack the layers as any others'
    : 'the node has to recover the closure from the layer itself';
  return [...warnings, `a docker archive has no place for annotations: ${without}`];
}
