import type { Results } from '../../test/results.ts';
import { type Column, CONTAINERD_COLUMNS, provenBy } from './cells.ts';
import { type Feature, FEATURES, NIX_FEATURES, NIXES, type Release, RELEASES } from './features.ts';

/** Components of the test bed: which one containerd comes from, and which folder the nodes of a column are made from. */
const SOURCES: Readonly<Record<Release, readonly [containerd: string, node: string]>> = {
  '1.7': ['debian-trixie', 'debian-trixie'],
  '2.1': ['debian-sid', 'debian-sid'],
  '2.2': ['containerd-2.2', 'debian-trixie'],
  '2.3': ['containerd-2.3', 'debian-trixie'],
  '2.4': ['containerd-2.4', 'debian-trixie'],
};

/** docs/compatibility.md: what the results of the tests show, by containerd and by Nix. */
export function renderCompatibility(results: Results): string {
  const { date, kernel, arch } = results;
  return `# Compatibility

<!-- written by npm run docs -- --compatibility, from the results of the tests: do not edit -->

Each "yes" is a test that passed in the newest run of its file, on ${date} at the latest: Linux ${kernel.replace(/^(\d+\.\d+\.\d+).*/, '$1')}, ${arch}, the one
kernel and the one architecture that were at hand. An empty cell is not tested. \`npm test\` fails when a test that stands behind a
"yes" is no more.

## By containerd

${table(results, CONTAINERD_COLUMNS, FEATURES, environment(results))}

The suites of user-namespaced pods have the runc of the column 2.1 everywhere. podman 5.4 and skopeo 1.18 are tested with ordinary layers
(\`test/integration/podman.test.ts\`), whatever containerd is there. What each client can do is in [clients](clients.md), what each view cannot in [views](views.md).

## By Nix

${table(results, nixColumns(results), NIX_FEATURES, [])}

The first three are suites of realise, closure, GC roots and failures (\`test/integration/nix-store\`). Messages of the worker protocol were recorded from Nix
2.8 too. Lix and Determinate Nix are not tested.
`;
}

/** The first rows: what each column ran on. */
function environment({ components }: Results): readonly (readonly string[])[] {
  const row = (program: string, source: 0 | 1, pattern: RegExp): readonly string[] => [
    program,
    ...RELEASES.map((release) => pattern.exec(components[SOURCES[release][source]] ?? '')?.[1] ?? '?'),
  ];
  return [
    row('containerd', 0, /([\d.]+\d)/),
    row('runc', 1, /runc ([\d.]+\d)/),
    row('Nix', 1, /nix-bin ([\d.]+\d)/),
  ];
}

/** Suites name the Nix that they run on by Debian's release or by its own. */
function nixColumns({ components }: Results): readonly Column[] {
  return NIXES.map(({ suite: debian, release }) => ({
    title: /nix-bin ([\d.]+\d)/.exec(components[`debian-${debian}`] ?? '')?.[1] ?? release,
    release,
    has: (suite) => suite.endsWith(` ${debian}`) || suite.endsWith(`Nix ${release}`),
  }));
}

function table(
  { outcomes }: Results,
  columns: readonly Column[],
  features: readonly Feature[],
  first: readonly (readonly string[])[],
): string {
  const cell = (feature: Feature, column: Column): string => {
    const proven = provenBy(outcomes, feature, column);
    return proven === 'fails' ? proven : (feature.instead?.[column.release] ?? proven ?? '');
  };
  const rows = features.map((feature) => [
    feature.feature,
    ...columns.map((column) => cell(feature, column)),
  ]);
  const lines = [
    ['', ...columns.map(({ title }) => title)],
    ['---', ...columns.map(() => '---')],
    ...first,
    ...rows,
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
