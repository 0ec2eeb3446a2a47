import type { RunConfig } from './image-config.ts';

/**
 * Lays a config over its base image's, by the rules of `docker build` (`FROM` followed by the instructions):
 * - Env by name: the base's order, changed values in place, new names after.
 * - An Entrypoint, even an empty one, drops the base's Cmd; a Cmd replaces the Cmd.
 * - ExposedPorts, Volumes and Labels are united, the upper one wins.
 * - User, WorkingDir, StopSignal and Docker's other members are replaced where set (not empty).
 * - OnBuild of the base is not inherited: its triggers belong to a Dockerfile.
 *
 * Pure; members come out sorted by name, maps by key, so that equal configs are equal bytes.
 */
export function mergeRunConfig(base: RunConfig, upper: RunConfig): RunConfig {
  const { OnBuild: _triggers, ...inherited } = base;
  const merged: Record<string, unknown> = { ...inherited };
  if (upper.Entrypoint) delete merged['Cmd'];
  for (const [member, value] of Object.entries(upper)) {
    if (value !== null && value !== undefined && value !== '') merged[member] = value;
  }
  merged['Env'] = mergeEnv(base.Env ?? [], upper.Env ?? []);
  for (const member of ['ExposedPorts', 'Volumes', 'Labels'] as const) {
    merged[member] = { ...base[member], ...upper[member] };
  }
  return sorted(merged);
}

/** Environment lists `NAME=value`, later ones over earlier, each name once. */
export function mergeEnv(...lists: readonly (readonly string[])[]): string[] {
  const byName = new Map<string, string>();
  for (const variable of lists.flat()) byName.set(variable.split('=', 1)[0] ?? '', variable);
  return [...byName.values()];
}

function sorted(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(config)
    .filter(([, value]) => !isEmpty(value))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([member, value]) => [member, isMap(value) && member !== 'Healthcheck' ? sortedMap(value) : value]);
  return Object.fromEntries(entries);
}

function sortedMap(map: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && Object.keys(value).length === 0;
}
