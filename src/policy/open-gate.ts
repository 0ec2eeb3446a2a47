import { lstat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { storePathName } from '../closure/store-path.ts';
import { errnoOf } from '../errors.ts';
import type { Measures } from '../nix/measure.ts';
import type { NixStore } from '../nix/store.ts';
import { PolicyGate, type PolicyGateDeps } from './gate.ts';
import { NodeUsage } from './node-usage.ts';
import type { PolicyOptions } from './options.ts';

export interface OpenGateOptions extends PolicyOptions {
  /** Directories of the GC roots that are ours. */
  readonly roots: readonly string[];
}

export interface OpenGateDeps extends Pick<PolicyGateDeps, 'release' | 'observe' | 'log'> {
  readonly store: Pick<NixStore, 'realStoreDir'> & Measures;
}

/** The gate of this node. */
export function openGate(
  { roots, ...options }: OpenGateOptions,
  { store, release, observe, log }: OpenGateDeps,
): PolicyGate {
  const storeDir = () => store.realStoreDir();
  return new PolicyGate(options, {
    store,
    usage: new NodeUsage({ directories: roots }, { store }),
    disk: {
      storeDir,
      async free() {
        const { bavail, bsize } = await statfs(await storeDir());
        return bavail * bsize;
      },
      async has(path) {
        try {
          await lstat(join(await storeDir(), storePathName(path)));
          return true;
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') return false;
          throw error;
        }
      },
    },
    release,
    observe,
    log,
  });
}
