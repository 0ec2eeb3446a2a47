import { parseArgs } from 'node:util';
import { CONTAINERD_VERSIONS, type ContainerdVersion } from '../sandbox/containerd.ts';

export const USAGE = `npm run bench -- [options]
  --only LETTERS     parts to run, such as c,d; all without it
  --rounds N         rounds that count, 7 unless told
  --paths N,N        store paths of the closures, 10,100,1000 unless told
  --containerd WHICH ${CONTAINERD_VERSIONS.join(', ')} (Debian's own, the default, or one from Go modules)
  --json FILE        where the figures go; bench-results/<date>.json unless told
  --quick            a smoke run: its figures are no claim
  --report FILE      no run: writes the tables and plots of docs/performance.md from such a file
BENCH_PEER=/path/to/nix-snapshotter measures the Go version beside ours.
`;

export interface BenchOptions {
  readonly only: readonly string[] | undefined;
  readonly rounds: number;
  readonly paths: readonly number[];
  readonly containerd: ContainerdVersion;
  readonly json: string | undefined;
  readonly quick: boolean;
  readonly report: string | undefined;
  readonly help: boolean;
}

/**
 * Reads the arguments of the benchmark.
 *
 * @throws Error that names the option for one that makes no sense.
 */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      paths: { type: 'string' },
      containerd: { type: 'string', default: 'debian' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      report: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const containerd = CONTAINERD_VERSIONS.find((version) => version === values.containerd);
  if (containerd === undefined) {
    throw new Error(
      `--containerd ${values.containerd}: one of ${CONTAINERD_VERSIONS.join(', ')} is expected`,
    );
  }
  return {
    only: values.only?.split(','),
    rounds: positive('--rounds', values.rounds ?? (values.quick ? '2' : '7')),
    paths: (values.paths ?? (values.quick ? '10' : '10,100,1000'))
      .split(',')
      .map((text) => atLeast3('--paths', text))
      .toSorted((one, other) => one - other),
    containerd,
    json: values.json,
    quick: values.quick,
    report: values.report,
    help: values.help,
  };
}

function positive(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${option} ${text}: a positive number is expected`);
  return Number(text);
}

/** A closure has a root, a shell and at least one more path. */
function atLeast3(option: string, text: string): number {
  const count = positive(option, text);
  if (count < 3) throw new Error(`${option} ${text}: a closure has at least 3 paths`);
  return count;
}
