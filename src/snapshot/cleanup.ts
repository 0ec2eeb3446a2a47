import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Background } from '../host/background.ts';
import { removeTree, TEMPORARY_PREFIX } from '../host/snapshot-directory.ts';
import type { Log } from '../log.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { Layout } from './layout.ts';
import type { SnapshotIds } from './snapshot-ids.ts';

export interface CleanupDeps {
  readonly ids: SnapshotIds;
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly background: Background;
  readonly log: Log;
}

/** Removes directories and GC roots that belong to no snapshot. */
export class Cleanup {
  readonly #deps: CleanupDeps;

  constructor(deps: CleanupDeps) {
    this.#deps = deps;
  }

  /** Safe beside running operations; resolves when what was garbage at the call is gone. */
  async run(): Promise<void> {
    const { ids, layout, roots, background, log } = this.#deps;
    await background.drained();
    // What is looked at comes first, then what is in use: a snapshot that is made meanwhile must not lose anything.
    const names = await readdir(layout.snapshots);
    const rooted = await roots.list();
    const mayBeUnderConstruction = ids.busy;
    const inUse = ids.inUse();
    if (inUse === undefined) {
      log.warn({}, 'clean-up is off: a degraded snapshot hides which directory is its own');
      return;
    }
    for (const name of names) {
      const garbage = /^\d+$/.test(name)
        ? !inUse.has(Number(name))
        : name.startsWith(TEMPORARY_PREFIX) && !mayBeUnderConstruction;
      if (!garbage) continue;
      log.debug({ directory: name }, 'removing a directory without a snapshot');
      await removeTree(join(layout.snapshots, name));
    }
    await roots.removeOrphans(rooted, inUse);
  }
}
