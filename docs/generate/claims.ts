import { readFile } from 'node:fs/promises';
import type { Results } from '../../test/results.ts';
import { type Column, CONTAINERD_COLUMNS, provenBy } from './cells.ts';
import { type Feature, FEATURES } from './features.ts';

export const COMPATIBILITY_PAGE = 'docs/compatibility.md';

/**
 * What docs/compatibility.md says is so and the results of a whole run do not show, a line each. What could not run because a
 * component of the test bed is missing is no contradiction: the run itself tells that.
 */
export async function unprovenClaims({ outcomes }: Results): Promise<readonly string[]> {
  const claims = claimsIn(await readFile(COMPATIBILITY_PAGE, 'utf8'));
  return FEATURES.flatMap((feature) =>
    CONTAINERD_COLUMNS.filter(
      (column, i) =>
        claims.get(feature.feature)?.[i] === 'yes' &&
        provenBy(outcomes, feature, column) === undefined &&
        !wasSkipped(outcomes, feature, column),
    ).map(
      ({ title }) =>
        `${COMPATIBILITY_PAGE} says "yes" to "${feature.feature}" on containerd ${title}, and no test shows it: ` +
        'npm run docs -- --compatibility',
    ),
  );
}

function wasSkipped(outcomes: Results['outcomes'], feature: Feature, column: Column): boolean {
  return outcomes.some(
    ({ state, path: [suite = ''] }) =>
      state === 'skipped' &&
      column.has(suite, feature) &&
      feature.proofs.some((proof) => suite.startsWith(proof.suite)),
  );
}

/** The cells of the page's first table, by the feature of their row. */
export function claimsIn(page: string): ReadonlyMap<string, readonly string[]> {
  const [, section = ''] = /^## By containerd\n(.*?)^## /ms.exec(page) ?? [];
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return new Map(
    rows.map((row) => {
      const [feature = '', ...cells] = row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim());
      return [feature, cells];
    }),
  );
}
