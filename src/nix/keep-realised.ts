import { lstat, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { collectorSocket, spareFromCollection } from './collector.ts';
import { collectedError, derivationRefused } from './failure.ts';

/** How often a closure is realised again that a garbage collection takes meanwhile. */
const COLLECTED_TRIES = 5;
/** How long the end of a garbage collection is waited for, in milliseconds; a long one must not hold up pulls. */
const COLLECTOR_WAIT_MS = 10_000;

export interface KeepRealisedDeps {
  /** Makes the outputs valid and the root. */
  readonly realise: (outputs: readonly StorePath[]) => Promise<void>;
  /** Whether what the root names is still there. */
  readonly survived: () => Promise<boolean>;
  readonly closure: (paths: readonly StorePath[]) => Promise<readonly StorePath[]>;
  readonly removeRoot: () => Promise<void>;
  readonly log: Log;
}

/** A garbage collection that ran while something was being rooted, and how long its end was waited for. */
export interface CollectionSeen {
  readonly milliseconds: number;
  /** False when it was not waited for to its end. */
  readonly hasEnded: boolean;
}

interface SpareRootDeps {
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
  readonly onCollection: ((seen: CollectionSeen) => void) | undefined;
}

/**
 * What {@link NixStore.realise} promises, whatever the backend: derivation files are only taken as part of another path's
 * closure; a failure leaves no root that was not there before; a closure that a garbage collection takes while it is being
 * rooted is realised again.
 */
export async function keepRealised(
  paths: readonly StorePath[],
  root: string,
  { realise, survived, closure, removeRoot, log }: KeepRealisedDeps,
): Promise<void> {
  const derivations = paths.filter(isDerivation);
  const outputs = paths.filter((path) => !isDerivation(path));
  const [first] = outputs;
  if (first === undefined) throw derivationRefused(derivations);
  const hadRoot = await exists(root);
  try {
    for (let tries = 1; ; tries += 1) {
      await realise(outputs);
      if (await survived()) break;
      if (tries === COLLECTED_TRIES) throw collectedError(first, tries);
      log.warn({ path: first }, 'a garbage collection took what was being rooted: realising again');
    }
    if (derivations.length > 0) {
      const within = new Set(await closure(outputs));
      const refused = derivations.filter((path) => !within.has(path));
      if (refused.length > 0) throw derivationRefused(refused);
    }
  } catch (error) {
    if (!hadRoot) await removeRoot();
    throw error;
  }
}

/**
 * To be called when a root has been made, and while something else still holds what it names: a garbage collection that runs
 * now may have read the roots before. It is told, and its end is waited for for some time; {@link isThere} tells what it has
 * left.
 */
export async function spareRoot(
  root: string,
  realStoreDir: string,
  { log, signal, onCollection }: SpareRootDeps,
): Promise<void> {
  if (!(await exists(root))) return;
  const path = (await readlink(root)) as StorePath;
  const socket = collectorSocket(realStoreDir);
  const since = performance.now();
  const collection = await spareFromCollection(socket, path, COLLECTOR_WAIT_MS, signal);
  if (collection === 'nobody') return;
  const hasEnded = collection === 'ended';
  onCollection?.({ milliseconds: performance.now() - since, hasEnded });
  if (hasEnded) return;
  log.warn({ root }, 'a garbage collection still runs; its end is not waited for');
}

/** Whether a root is there, and what it names too. */
export async function isThere(root: string, realStoreDir: string): Promise<boolean> {
  return (await exists(root)) && (await exists(join(realStoreDir, basename(await readlink(root)))));
}

/** Whether something has this name, a dangling symlink included. */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw new StatusError('Internal', `GC root ${path}: cannot be looked up`, { cause: error });
  }
}

/** Whether a path is a derivation file: what tells Nix how to build, not what it has built. */
export function isDerivation(path: string): boolean {
  return path.endsWith('.drv');
}
