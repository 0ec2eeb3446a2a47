import type { LayerEntry } from '../closure/nix-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import { platformOfElf } from './elf.ts';
import type { Platform } from './platform.ts';
import { resolveRootLink } from './root-links.ts';
import { type StoreFiles, storePathOf } from './store-files.ts';

const HEAD_BYTES = 512;
const MAX_INTERPRETERS = 4;

/**
 * The platform of the programs in a closure: the ELF header of the entrypoint (through `#!` lines), else of the
 * first program below `bin` of the roots. Nothing of the building machine is asked.
 *
 * @param links those at the container's root.
 * @param program the first word of what is run.
 * @returns undefined when there is no program to tell it.
 */
export async function detectPlatform(
  links: readonly LayerEntry[],
  program: string | undefined,
  roots: readonly StorePath[],
  store: StoreFiles,
): Promise<Platform | undefined> {
  const inStore = program === undefined ? undefined : resolveRootLink(links, program);
  const candidates = inStore === undefined ? [] : [inStore];
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
