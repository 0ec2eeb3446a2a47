import type { ViewName } from '../../../src/view/view.ts';
import { sandboxUnavailable } from '../../sandbox/available.ts';
import { type Component, skipWithout } from '../../sandbox/components.ts';
import type { ContainerdVersion } from '../../sandbox/containerd.ts';
import type { Suite } from '../../sandbox/debian-base.ts';
import { FULL } from '../../full.ts';

/** A containerd of the compatibility matrix. */
export interface Row {
  readonly title: string;
  readonly release: Release;
  readonly suite: Suite;
  readonly version: ContainerdVersion;
  readonly needs: readonly Component[];
}

/** A row with the reason why its tests cannot run here, or false. */
export interface AvailableRow extends Row {
  readonly skip: string | false;
}

/** A row whose daemon is told to use one view. */
export interface ViewRow extends AvailableRow {
  readonly view: ViewName;
}

const ROWS = {
  '1.7': { suite: 'trixie', version: 'debian', needs: ['debian-trixie'] },
  '2.1': { suite: 'sid', version: 'debian', needs: ['debian-sid', 'debian-trixie'] },
  '2.2': { suite: 'trixie', version: '2.2', needs: ['debian-trixie', 'containerd-2.2'] },
  '2.3': { suite: 'trixie', version: '2.3', needs: ['debian-trixie', 'containerd-2.3'] },
  '2.4': { suite: 'trixie', version: '2.4', needs: ['debian-trixie', 'containerd-2.4'] },
} as const satisfies Record<string, Omit<Row, 'title' | 'release'>>;

/** A release line of containerd. */
export type Release = keyof typeof ROWS;

/** Which containerds a suite runs on with each view. */
export type ReleasesOfViews = { readonly [View in ViewName]?: readonly Release[] };

/** Releases that a suite runs on by `npm run test:full` only. */
export function inFull(...releases: readonly Release[]): readonly Release[] {
  return process.env[FULL] === undefined ? [] : releases;
}

/** All releases with the default view; with the others two, one of them in {@link inFull}. */
export const ALL_VIEWS: Required<ReleasesOfViews> = {
  overlay: ['1.7', '2.1', '2.3', '2.4'],
  binds: ['2.3', ...inFull('1.7')],
  store: ['1.7', ...inFull('2.3')],
};

/** Looks up which of the named containerds, with these further components, can be had. */
export async function matrix(
  releases: readonly Release[],
  further: readonly Component[] = [],
): Promise<readonly AvailableRow[]> {
  const unavailable = sandboxUnavailable();
  return await Promise.all(
    releases.map(async (release) => {
      const needs = [...ROWS[release].needs, ...further];
      const skip = unavailable ?? (await firstMissing(needs));
      return { ...ROWS[release], title: release, release, needs, skip };
    }),
  );
}

/** {@link matrix} with each of the views on the containerds that it is tested with. */
export async function viewMatrix(
  further: readonly Component[] = [],
  views: ReleasesOfViews = ALL_VIEWS,
): Promise<readonly ViewRow[]> {
  const rows = (['overlay', 'binds', 'store'] as const).map(async (view) =>
    (await matrix(views[view] ?? [], further)).map((row) => ({
      ...row,
      view,
      title: `${row.release} with view "${view}"`,
    })),
  );
  return (await Promise.all(rows)).flat();
}

async function firstMissing(needs: readonly Component[]): Promise<string | false> {
  for (const component of needs) {
    const skip = await skipWithout(component);
    if (skip !== false) return skip;
  }
  return false;
}
