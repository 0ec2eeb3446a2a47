import type { StorePath } from '../closure/store-path.ts';
import { platformOfElf } from './elf.ts';
import { type LayerEntry, resolveInLayer } from './nix-layer.ts';
import type { Platform } from './platform.ts';
import { type StoreFiles, storePathOf } from './store-files.ts';

const HEAD_BYTES = 512;
const MAX_INTERPRETERS = 4;

/**
 * The platform of the programs in a Nix layer: the ELF header of the entrypoint (through `#!` lines), else of the
 * first program below `bin` of the roots. Nothing of the building machine is asked.
 *
 * @returns undefined when there is no program to tell it.
 */
export async function detectPlatform(
  entries: readonly LayerEntry[],
  program: string | undefined,
  roots: readonly StorePath[],
  store: StoreFiles,
): Promise<Platform | undefined> {
  const inLayer = program === undefined ? undefined : resolveInLayer(entries, program);
  const candidates = inLayer === undefined ? [] : [inLayer];
  for (const root of roots) candidates.push(...(await store.programs(root)));
  for (const candidate of candidates) {
    const found = await platformOfProgram(candidate, store);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function platformOfProgram(path: string, store: StoreFiles): Promise<Platform | undefined> {
  let at = path;
  for (let hop = 0; hop <= MAX_INTERPRETERS; hop++) {
    if (storePathOf(at) === undefined) return undefined;
    const head = await store.head(at, HEAD_BYTES);
    if (head === undefined) return undefined;
    const interpreter = /^#![ \t]*([^ \t\n]+)/.exec(head.toString('latin1'))?.[1];
    if (interpreter === undefined) return platformOfElf(head);
    at = interpreter;
  }
  return undefined;
}
