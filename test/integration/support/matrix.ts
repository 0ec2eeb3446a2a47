import { sandboxUnavailable } from '../../sandbox/available.ts';
import { type Component, skipWithout } from '../../sandbox/components.ts';
import type { ContainerdVersion } from '../../sandbox/containerd.ts';
import type { Suite } from '../../sandbox/debian-base.ts';

/** A containerd of the compatibility matrix. */
export interface Row {
  readonly title: string;
  readonly suite: Suite;
  readonly version: ContainerdVersion;
  readonly needs: readonly Component[];
}

/** A row with the reason why its tests cannot run here, or false. */
export interface AvailableRow extends Row {
  readonly skip: string | false;
}

const ROWS = {
  '1.7': { suite: 'trixie', version: 'debian', needs: ['debian-trixie'] },
  '2.1': { suite: 'sid', version: 'debian', needs: ['debian-sid', 'debian-trixie'] },
  '2.3': { suite: 'trixie', version: '2.3', needs: ['debian-trixie', 'containerd-2.3'] },
  '2.4': { suite: 'trixie', version: '2.4', needs: ['debian-trixie', 'containerd-2.4'] },
} as const satisfies Record<string, Omit<Row, 'title'>>;

/** Looks up which of the named containerds, with these further components, can be had. */
export async function matrix(
  titles: readonly (keyof typeof ROWS)[],
  further: readonly Component[] = [],
): Promise<readonly AvailableRow[]> {
  const unavailable = sandboxUnavailable();
  return await Promise.all(
    titles.map(async (title) => {
      const needs = [...ROWS[title].needs, ...further];
      return { ...ROWS[title], title, needs, skip: unavailable ?? (await firstMissing(needs)) };
    }),
  );
}

async function firstMissing(needs: readonly Component[]): Promise<string | false> {
  for (const component of needs) {
    const skip = await skipWithout(component);
    if (skip !== false) return skip;
  }
  return false;
}
