import type { Outcome } from '../../test/run-tests.ts';
import { type Feature, type NixRelease, type Proof, type Release, RELEASES } from './features.ts';

/** Whether the tests of a cell passed; undefined when none ran. */
export type Proven = 'yes' | 'fails' | undefined;

/** A column is known by the name of a suite that belongs to it; a feature with a view counts only suites with that view. */
export interface Column {
  readonly title: string;
  readonly release: Release | NixRelease;
  readonly has: (suite: string, feature: Feature) => boolean;
}

/** A column for each release line of containerd: suites end in `containerd 2.3` or `containerd 2.3 with view "binds"`. */
export const CONTAINERD_COLUMNS: readonly Column[] = RELEASES.map((release) => ({
  title: release,
  release,
  has: (suite, { view = 'overlay' }) => {
    const [, found, shown = view] = /containerd (\d\.\d)(?: with view "(\w+)")?$/.exec(suite) ?? [];
    return found === release && shown === view;
  },
}));

/** What the outcomes of the tests say of a feature in a column: each of its proofs must have run and passed. */
export function provenBy(outcomes: readonly Outcome[], feature: Feature, column: Column): Proven {
  const ofColumn = outcomes.filter(({ path: [suite = ''] }) => column.has(suite, feature));
  const states = feature.proofs.flatMap((proof) => statesOf(ofColumn, proof));
  if (states.includes('fails')) return 'fails';
  return states.includes(undefined) ? undefined : 'yes';
}

function statesOf(outcomes: readonly Outcome[], { suite, tests }: Proof): readonly Proven[] {
  const ofSuite = outcomes.filter(({ path }) => path[0]?.startsWith(suite));
  const groups = tests?.map((test) => ofSuite.filter(({ path }) => path.slice(1).join(' ').includes(test)));
  return (groups ?? [ofSuite]).map((group) => {
    if (group.some(({ state }) => state === 'failed')) return 'fails';
    return group.some(({ state }) => state === 'passed') ? 'yes' : undefined;
  });
}
