import assert from 'node:assert/strict';
import type { TomlTable } from 'smol-toml';

/** What a configuration says that is not the snapshotter's: of a containerd alone, in the words of version 3. */
export function isBase(path: string): boolean {
  return path === 'version' || /^plugins\/io\.containerd\.(cri\.v1\.runtime|grpc\.v1\.cri)\//.test(path);
}

/** Values by their paths; lists are values. */
export function leaves(value: unknown, path = ''): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map([[path, JSON.parse(JSON.stringify(value)) as unknown]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [...leaves(inner, path === '' ? key : `${path}/${key}`)]),
  );
}

/** Of a dump, what concerns the snapshotter. */
export function ours(dump: TomlTable): ReadonlyMap<string, unknown> {
  const found = [...leaves(dump)].filter(([path]) =>
    /proxy_plugins|unpack_config|snapshotter$|config_path$/.test(path),
  );
  assert.ok(found.length >= 4);
  return new Map(found);
}
