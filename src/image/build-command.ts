import { storePathName, type StorePath } from '../closure/store-path.ts';
import { type BuildDeps, buildImage, type BuildResult, type OutputFormat } from './build.ts';
import { readInput, storePathArgument } from './build-inputs.ts';
import type { Compression } from './compression.ts';
import { parseRunConfig, type RunConfig } from './image-config.ts';
import { imageName, repositoryName } from './image-name.ts';
import { mergeRunConfig } from './merge-config.ts';
import { parsePlatform } from './platform.ts';
import { UsageError } from './usage-error.ts';

/** The flags of `nix2container build`, as texts. */
export interface BuildFlags {
  readonly args: readonly string[];
  readonly out?: string;
  readonly config?: string;
  readonly closure?: string;
  readonly copyToRoot: readonly string[];
  readonly fromImage?: string;
  readonly ref?: string;
  readonly platform?: string;
  readonly format: OutputFormat;
  readonly compression: Compression;
  readonly annotate: 'closure' | 'paths';
  readonly layered: boolean;
  readonly perms?: string;
  readonly fakeRoot?: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly label: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
}

/**
 * `nix2container build`: arguments in the store are what is put in, the one other argument is the file to write.
 * With `--closure` there is exactly one argument, the file, as with the Go tool.
 *
 * @throws UsageError for flags that make no sense, and all that {@link buildImage} throws.
 */
export async function buildCommand(
  flags: BuildFlags,
  deps: BuildDeps,
): Promise<BuildResult & { readonly out: string }> {
  if (flags.layered && flags.annotate === 'paths')
    throw new UsageError('--layered names the closure by a closureInfo: leave --annotate paths out');
  const { out, storePaths } = await splitArguments(flags);
  const { config, unknown } = await readConfig(flags);
  const result = await buildImage(
    {
      out,
      ref: imageName(flags.ref, out),
      format: flags.format,
      compression: flags.compression,
      config,
      copyToRoot: flags.copyToRoot,
      storePaths,
      annotate: flags.annotate,
      layered: flags.layered,
      ...(flags.closure === undefined ? {} : { closureFile: flags.closure }),
      ...(flags.perms === undefined ? {} : { perms: flags.perms }),
      ...(flags.fakeRoot === undefined ? {} : { fakeRoot: flags.fakeRoot }),
      ...(flags.fromImage === undefined ? {} : { fromImage: flags.fromImage }),
      ...(flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform) }),
    },
    deps,
  );
  const ignored = unknown.map(
    (member) => `${flags.config}: ${member} is no member of an image config: left out`,
  );
  return { ...result, out, warnings: [...ignored, ...result.warnings] };
}

async function splitArguments(flags: BuildFlags): Promise<{ out: string; storePaths: readonly StorePath[] }> {
  if (flags.closure !== undefined && flags.out === undefined) {
    const [out, ...others] = flags.args;
    if (out !== undefined && others.length === 0) return { out, storePaths: [] };
    throw new UsageError('with --closure give exactly one argument, the file to write');
  }
  const storePaths: StorePath[] = [];
  const files: string[] = flags.out === undefined ? [] : [flags.out];
  for (const argument of flags.args) {
    const path = await storePathArgument(argument);
    if (path === undefined) files.push(argument);
    else storePaths.push(path);
  }
  const [out, ...others] = files;
  if (others.length > 0) {
    throw new UsageError(`not in the store, and not the one file to write: ${others.join(', ')}`);
  }
  return { out: out ?? defaultOut(storePaths, flags), storePaths };
}

function defaultOut(storePaths: readonly StorePath[], flags: BuildFlags): string {
  const [first] = storePaths;
  if (first === undefined) throw new UsageError('no file to write is named: give --out FILE');
  const name = repositoryName(storePathName(first).slice(33));
  return flags.format === 'oci-layout' ? name : `${name}.tar`;
}

async function readConfig(flags: BuildFlags): Promise<{ config: RunConfig; unknown: readonly string[] }> {
  const { config, unknown } =
    flags.config === undefined
      ? { config: {}, unknown: [] }
      : parseRunConfig(await readInput(flags.config), flags.config);
  const Labels = Object.fromEntries(flags.label.map((text) => pair('--label', text)));
  for (const variable of flags.env) pair('--env', variable);
  const upper: RunConfig = {
    ...(flags.entrypoint.length === 0 ? {} : { Entrypoint: words('--entrypoint', flags.entrypoint) }),
    ...(flags.cmd.length === 0 ? {} : { Cmd: words('--cmd', flags.cmd) }),
    ...(flags.env.length === 0 ? {} : { Env: [...flags.env] }),
    ...(flags.label.length === 0 ? {} : { Labels }),
    ...(flags.user === undefined ? {} : { User: flags.user }),
    ...(flags.workdir === undefined ? {} : { WorkingDir: flags.workdir }),
  };
  const merged = mergeRunConfig({ ...config, OnBuild: null }, upper);
  const keepsEmpty = upper.Entrypoint ?? config.Entrypoint;
  return { config: keepsEmpty ? { ...merged, Entrypoint: keepsEmpty } : merged, unknown };
}

/** A word for each use of the flag; or, used once with a JSON array (as in a Dockerfile), its words. */
function words(flag: string, values: readonly string[]): string[] {
  const [only] = values;
  if (values.length !== 1 || only?.startsWith('[') !== true) return [...values];
  const list = parseWords(only);
  if (list !== undefined) return list;
  throw new UsageError(`${flag} ${only}: not a JSON array of strings`);
}

function parseWords(text: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((word) => typeof word === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

function pair(flag: string, text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new UsageError(`${flag} ${text}: expected NAME=VALUE`);
}
