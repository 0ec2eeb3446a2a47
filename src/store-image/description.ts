import * as v from 'valibot';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { parseJson } from '../image/descriptor.ts';
import { mentionedPaths } from '../image/build-inputs.ts';
import { parseRunConfig, type RunConfig } from '../image/image-config.ts';
import { type Platform, platform } from '../image/platform.ts';

/** What an image is made of, as a file in the store says it; docs/resolver.md. */
export interface ImageDescription {
  readonly platform: Platform;
  readonly config: RunConfig;
  /** A `closureInfo` output: the closure of the Nix layer. */
  readonly closureInfo: StorePath | undefined;
  /** Paths whose closure the Nix layer shows, where there is no {@link closureInfo}. */
  readonly roots: readonly StorePath[];
  /** Directories that are shown at the container's root by links. */
  readonly copyToRoots: readonly StorePath[];
  /** The archive or layout of the image below. */
  readonly baseImage: StorePath | undefined;
}

/** The Go version's `types.Image`, in its spelling: what its `nix2container` works from. */
const DescriptionSchema = v.strictObject({
  config: v.record(v.string(), v.unknown()),
  architecture: v.pipe(v.string(), v.regex(/^[a-z0-9_]+$/)),
  os: v.pipe(v.string(), v.regex(/^[a-z0-9_]+$/)),
  variant: v.nullish(v.string()),
  'closure-path': v.nullish(v.string()),
  'nix-store-paths': v.nullish(v.array(v.string())),
  'copy-to-roots': v.nullish(v.array(v.string())),
  'base-image': v.nullish(v.string()),
});

/** Members that no other kind of file has: with one of them a file is meant to be a description. */
const TELLING = ['closure-path', 'nix-store-paths', 'copy-to-roots', 'base-image'] as const;

/**
 * Reads an image description.
 *
 * @param value the parsed JSON of the file.
 * @param where names the file in messages.
 * @returns undefined when the file is something else.
 * @throws StatusError InvalidArgument that names the member that is wrong.
 */
export function parseDescription(value: unknown, where: string): ImageDescription | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if (!TELLING.some((member) => member in value)) return undefined;
  const parsed = parseJson(DescriptionSchema, Buffer.from(JSON.stringify(value)), where);
  const { config } = parseRunConfig(Buffer.from(JSON.stringify(parsed.config)), `${where}: config`);
  const optional = (member: 'closure-path' | 'base-image'): StorePath | undefined => {
    const text = parsed[member];
    return text === null || text === undefined || text === '' ? undefined : storePath(text, member, where);
  };
  const list = (member: 'nix-store-paths' | 'copy-to-roots'): readonly StorePath[] =>
    (parsed[member] ?? []).map((text) => storePath(text, member, where));
  const copyToRoots = list('copy-to-roots');
  const named = [...list('nix-store-paths'), ...copyToRoots, ...mentionedPaths(config)];
  const description = {
    platform: platform(parsed.os, parsed.architecture, parsed.variant ?? undefined),
    config,
    closureInfo: optional('closure-path'),
    roots: [...new Set(named)].toSorted(),
    copyToRoots,
    baseImage: optional('base-image'),
  };
  if (description.closureInfo !== undefined || named.length > 0) return description;
  throw new StatusError(
    'InvalidArgument',
    `${where}: names no store path: give closure-path, nix-store-paths, or a config that runs a program of the store`,
  );
}

/** Every path that has to be valid before the image can be made. */
export function inputsOf(description: ImageDescription): readonly StorePath[] {
  const { closureInfo, roots, copyToRoots, baseImage } = description;
  const all = [closureInfo, baseImage, ...copyToRoots, ...(closureInfo === undefined ? roots : [])];
  return [...new Set(all.filter((path) => path !== undefined))].toSorted();
}

function storePath(text: string, member: string, where: string): StorePath {
  const path = parseStorePath(text);
  if (path !== undefined) return path;
  throw new StatusError(
    'InvalidArgument',
    `${where}: ${member}: ${JSON.stringify(text.slice(0, 300))} is not a store path`,
  );
}
