import { isDeepStrictEqual } from 'node:util';
import type { TomlTable } from 'smol-toml';
import { StatusError } from '../errors.ts';

/** What of containerd's effective configuration setup changes, as paths of keys. */
const OURS = [
  /^imports$/,
  /^proxy_plugins\.nix(\.|$)/,
  /^plugins\.io\.containerd\.transfer\.v1\.local\.unpack_config$/,
  /^plugins\.io\.containerd\.(cri\.v1\.images|grpc\.v1\.cri\.containerd)\.snapshotter$/,
  /^plugins\.io\.containerd\.(cri\.v1\.images|grpc\.v1\.cri)\.registry\.config_path$/,
  // Shown only where CRI is off; else it is what it is by default.
  /^plugins\.io\.containerd\.grpc\.v1\.cri\.containerd\.runtimes\.runc\.runtime_type$/,
];

/**
 * Compares what containerd makes of its files before and after: setup's keys are there, all others are what they were.
 *
 * @throws StatusError FailedPrecondition naming the keys that are not.
 */
export function checkDump(before: TomlTable, after: TomlTable, socket: string): void {
  const [old, now] = [flat(before), flat(after)];
  const changed = [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => !OURS.some((pattern) => pattern.test(key)))
    .filter((key) => !isDeepStrictEqual(old.get(key), now.get(key)));
  const wrong = [
    ...changed.map((key) => `${key} would be ${show(now.get(key))} in place of ${show(old.get(key))}`),
    ...missing(now, socket),
  ];
  if (wrong.length === 0) return;
  throw new StatusError(
    'FailedPrecondition',
    `containerd would not understand its configuration with setup's drop-in as it should, so nothing was written: ${wrong.slice(0, 5).join('; ')}. ` +
      'Put what "setup --containerd --print" shows there by hand',
  );
}

function missing(now: ReadonlyMap<string, unknown>, socket: string): readonly string[] {
  const problems: string[] = [];
  if (now.get('proxy_plugins.nix.address') !== socket) problems.push('proxy_plugins.nix is not there');
  const snapshotters = [...now].filter(([key]) => (OURS[3] ?? /$^/).test(key));
  for (const [key, value] of snapshotters) if (value !== 'nix') problems.push(`${key} is ${show(value)}`);
  const unpack = now.get('plugins.io.containerd.transfer.v1.local.unpack_config');
  const entries = Array.isArray(unpack) ? (unpack as readonly TomlTable[]) : [];
  for (const name of ['overlayfs', 'nix'])
    if (!entries.some((entry) => entry['snapshotter'] === name)) problems.push(`unpack_config lacks ${name}`);
  return problems;
}

function flat(value: unknown, path = ''): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date)
    return new Map([[path, value]]);
  const inner = Object.entries(value).map(([key, part]) => [
    ...flat(part, path === '' ? key : `${path}.${key}`),
  ]);
  return new Map(inner.flat());
}

function show(value: unknown): string {
  return value === undefined
    ? 'absent'
    : JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part));
}
