import type { LayerClosure } from '../closure/annotations.ts';
import { type StorePath, storePathName } from '../closure/store-path.ts';
import { NO_BASE } from '../image/base-image.ts';
import { detectPlatform } from '../image/detect-platform.ts';
import type { RunConfig } from '../image/image-config.ts';
import { parsePlatform } from '../image/platform.ts';
import type { StoreFiles } from '../image/store-files.ts';
import type { NixStore } from '../nix/store.ts';
import { composeImage } from './compose.ts';
import type { ServedImage } from './served-image.ts';

const HASH_LENGTH = 32;

/**
 * Makes an image of any store path: one layer that names its closure, and a configuration that runs its program. The same path
 * gives the same bytes, always and everywhere.
 *
 * The layer names the closure path by path: a `closureInfo` output would be a path that no cache has.
 *
 * @param path valid.
 */
export async function pathImage(
  path: StorePath,
  { nix, store }: { readonly nix: Pick<NixStore, 'closure'>; readonly store: StoreFiles },
): Promise<ServedImage> {
  const paths = await nix.closure([path]);
  const closure: LayerClosure = { kind: 'paths', paths };
  const config = await runConfigOf(path, store);
  const platform =
    (await detectPlatform([], config.Entrypoint?.[0], [path], store)) ??
    parsePlatform(`linux/${process.arch}`);
  const ref = storePathName(path);
  return await composeImage({ ref, platform, config, base: NO_BASE, closure, paths, copyToRoots: [] }, store);
}

/**
 * What a container of a store path runs: the path itself when it is a file; else the program in its `bin` that is called like
 * the package, or the only one. Without either the user has to name one, and finds those of `bin` in PATH.
 */
async function runConfigOf(path: StorePath, store: StoreFiles): Promise<RunConfig> {
  const program = await programOf(path, store);
  const hasBin = program !== path;
  return {
    ...(hasBin ? { Env: [`PATH=${path}/bin`] } : {}),
    ...(program === undefined ? {} : { Entrypoint: [program] }),
  };
}

async function programOf(path: StorePath, store: StoreFiles): Promise<string | undefined> {
  const programs = await store.programs(path);
  if (programs[0] === path) return path;
  for (const name of packageNames(path)) {
    const program = `${path}/bin/${name}`;
    if ((await store.head(program, 1)) !== undefined) return program;
  }
  return programs.length === 1 ? programs[0] : undefined;
}

/** `hello-2.12.1` and, without what Nix takes for a version (`builtins.parseDrvName`), `hello`. */
function packageNames(path: StorePath): readonly string[] {
  const name = storePathName(path).slice(HASH_LENGTH + 1);
  const version = name.search(/-[^a-zA-Z]/);
  return version < 0 ? [name] : [name, name.slice(0, version)];
}
