import { stringify, type TomlTable } from 'smol-toml';
import { CRI_1, CRI_2, HOSTS_DIRS, TRANSFER } from '../containerd/plugins.ts';
import { type ReleaseTraits, traitsOf } from '../containerd/release.ts';
import { StatusError } from '../errors.ts';
import { HEADER } from './marker.ts';
import { parseToml } from './toml-edit.ts';

/** A file that is part of containerd's configuration. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface DropInOptions {
  /** As containerd says, such as `1.7.24` or `2.3.7`. */
  readonly release: string;
  /** The main file, if there is one, then what it imports, in containerd's order, without ours. */
  readonly files: readonly ConfigFile[];
  /** `linux/amd64` and the like. */
  readonly platform: string;
  readonly socket: string;
  readonly root: string;
}

export interface DropIn {
  readonly text: string;
  /** Whether it repeats what others say, which may hold credentials of registries. */
  readonly secret: boolean;
  /** Version of the format of the drop-in, and of a main file that has to be made. */
  readonly version: 2 | 3;
  /** Directory of `hosts.toml` files that CRI reads. */
  readonly hostsDir: string;
  /** Whether the node's own configuration has switched CRI off. */
  readonly criDisabled: boolean;
  /** What the drop-in overrides of somebody else's, in words. */
  readonly overrides: readonly string[];
}

/** Snapshotters that stand for "nothing was chosen". */
const ORDINARY = new Set<unknown>([undefined, '', 'overlayfs', 'nix']);

/**
 * What containerd has to be told, as one file of its own that the main file imports.
 *
 * How an import is merged differs (seen by `containerd config dump`): containerd 1.7 takes a plugin's table from the last file
 * that has one, so the drop-in repeats what the others say there; 2.x merges tables, but takes lists from the last file. 2.1 and 2.2
 * forget all of CRI's settings in a version 2 file when a version 3 file is merged with it, so there the drop-in has the main file's
 * version; and of a version 2 file they keep the snapshotter only where a runtime is named, too.
 *
 * @throws StatusError FailedPrecondition naming file and key where something is set that must not be overridden.
 */
export function containerdDropIn({ release, files, platform, socket, root }: DropInOptions): DropIn {
  const traits = traitsOf(release);
  const is1 = traits.takesWholePlugins;
  const parsed = files.map(({ path, text }) => ({ path, table: parseToml(path, text) }));
  const version = versionOf(parsed, traits);
  const criName = version === 2 ? CRI_1 : CRI_2;
  const settings = new Settings(parsed, is1);
  const criDisabled = parsed.some(({ table }) => listOf(table['disabled_plugins']).some(isCri));
  const overrides: string[] = [];

  refuseOtherProxy(settings, socket);
  const chosen = settings.first([
    ['plugins', CRI_1, 'containerd', 'snapshotter'],
    ['plugins', CRI_2, 'snapshotter'],
  ]);
  if (chosen !== undefined && !ORDINARY.has(chosen.value)) {
    throw new StatusError(
      'FailedPrecondition',
      `${chosen.path}: ${chosen.key} is ${JSON.stringify(chosen.value)}: pods use another ` +
        'snapshotter on purpose; remove that key and run setup again, or leave containerd as it is and use nix-snapshotter by ' +
        'nerdctl --snapshotter nix with what "setup --containerd --print" shows',
    );
  }
  if (chosen !== undefined && chosen.value === 'overlayfs')
    overrides.push(`snapshotter = "overlayfs" of CRI in ${chosen.path}`);
  for (const plugin of [CRI_1, CRI_2]) {
    for (const key of ['mirrors', 'configs']) refuseRegistry(settings, plugin, key);
  }
  const configPath = settings.first([
    ['plugins', CRI_1, 'registry', 'config_path'],
    ['plugins', CRI_2, 'registry', 'config_path'],
  ])?.value;
  const hostsDirs = typeof configPath === 'string' && configPath !== '' ? configPath : HOSTS_DIRS;

  const unpack = settings.get(['plugins', TRANSFER, 'unpack_config'])?.value;
  const entries = Array.isArray(unpack)
    ? (unpack as unknown[]).filter(isTable)
    : defaultUnpack(release, platform);
  const hasOurs = entries.some((entry) => entry['snapshotter'] === 'nix' && entry['platform'] === platform);
  const ours = hasOurs ? [] : [{ platform, snapshotter: 'nix', differ: 'walking' }];

  const hasRuntimes = settings.get(['plugins', CRI_1, 'containerd', 'runtimes']) !== undefined;
  const cri: TomlTable =
    version === 3
      ? { snapshotter: 'nix', registry: { config_path: hostsDirs } }
      : {
          containerd: {
            snapshotter: 'nix',
            ...(is1 || hasRuntimes ? {} : { runtimes: { runc: { runtime_type: 'io.containerd.runc.v2' } } }),
          },
          registry: { config_path: hostsDirs },
        };
  const repeated = (name: string): TomlTable => {
    const value = is1 ? settings.get(['plugins', name])?.value : undefined;
    return isTable(value) ? value : {};
  };
  const [criRepeated, transferRepeated] = [repeated(criName), repeated(TRANSFER)];
  const table: TomlTable = {
    version,
    plugins: {
      [criName]: merged(criRepeated, cri),
      [TRANSFER]: { ...transferRepeated, unpack_config: [...entries, ...ours] },
    },
    proxy_plugins: { nix: proxyPlugin({ remapsIds: traits.remapsIds, socket, root }) },
  };
  return {
    text: `${HEADER}\n${AGAIN}${is1 ? REPEATS : ''}${stringify(table)}`,
    secret: [criRepeated, transferRepeated].some((one) => Object.keys(one).length > 0),
    version,
    hostsDir: hostsDirs.split(':', 1)[0] ?? hostsDirs,
    criDisabled,
    overrides,
  };
}

const AGAIN =
  '# Run "nix-snapshotter setup --containerd" again when containerd changes to another release line.\n';
const REPEATS =
  '# containerd 1.7 takes each of these plugin tables from this file alone: what config.toml says there is repeated here.\n' +
  '# Run "nix-snapshotter setup --containerd" again after a change there, too.\n';

/** The snapshotter as containerd's proxy plugin; `remap-ids` is a capability that 1.7's mounter does not know. */
export function proxyPlugin(options: {
  readonly remapsIds: boolean;
  readonly socket: string;
  readonly root: string;
}): TomlTable {
  return {
    type: 'snapshot',
    address: options.socket,
    ...(options.remapsIds ? { capabilities: ['remap-ids'] } : {}),
    exports: { root: options.root },
  };
}

/** What containerd unpacks for when nothing is said (its `plugins/transfer/plugin_defaults_linux.go`). */
export function defaultUnpack(release: string, platform: string): readonly TomlTable[] {
  const overlayfs = { platform, snapshotter: 'overlayfs', differ: 'walking' };
  if (!traitsOf(release).unpacksErofs) return [overlayfs];
  const erofs = platform.replace(/^linux\//, 'linux(+erofs)/');
  return [overlayfs, { platform: erofs, snapshotter: 'erofs', differ: 'erofs', optional: true }];
}

/** The format version of the drop-in, for a release and the version of its main file. */
function versionOf(
  files: readonly { readonly path: string; readonly table: TomlTable }[],
  { takesWholePlugins: is1, forgetsCri }: ReleaseTraits,
): 2 | 3 {
  const [main] = files;
  if (main === undefined) return is1 ? 2 : 3;
  const version = main.table['version'];
  if (version === undefined && is1) {
    throw new StatusError(
      'FailedPrecondition',
      `${main.path} has no "version": containerd 1.7 reads it as version 1, which does not mix with newer files; write ` +
        '"version = 2" as its first line, and plugin names in full ("io.containerd.grpc.v1.cri" for "cri", in ' +
        'disabled_plugins too), then run setup again',
    );
  }
  if (version !== undefined && ![1, 2, 3, 4].includes(Number(version))) {
    throw new StatusError(
      'FailedPrecondition',
      `${main.path}: its version is not one that setup knows (2, 3 or 4); use a newer nix-snapshotter`,
    );
  }
  const isOld = Number(version ?? 2) <= 2;
  return is1 || (isOld && forgetsCri) ? 2 : 3;
}

function isCri(name: unknown): boolean {
  return name === 'cri' || name === CRI_1;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function refuseOtherProxy(settings: Settings, socket: string): void {
  const found = settings.get(['proxy_plugins', 'nix']);
  const address = isTable(found?.value) ? found.value['address'] : undefined;
  if (found === undefined || address === socket) return;
  throw new StatusError(
    'FailedPrecondition',
    `${found.path}: proxy_plugins.nix has the address ${JSON.stringify(address)}, the daemon listens at ${socket}; remove that table, ` +
      'or set "address" in the daemon’s configuration, then run setup again',
  );
}

/** containerd does not start its CRI with these beside a `config_path`. */
function refuseRegistry(settings: Settings, criName: string, key: string): void {
  const found = settings.get(['plugins', criName, 'registry', key]);
  if (found === undefined) return;
  const tables = isTable(found.value) ? Object.values(found.value) : [];
  const clashes = key === 'mirrors' ? tables.length > 0 : tables.some((one) => isTable(one) && 'tls' in one);
  if (!clashes) return;
  throw new StatusError(
    'FailedPrecondition',
    `${found.path}: plugins.'${criName}'.registry.${key} cannot stand beside registry.config_path, which setup needs; move it to ` +
      '/etc/containerd/certs.d/<host>/hosts.toml (containerd docs/hosts.md), set config_path = "/etc/containerd/certs.d", and run setup again',
  );
}

/** What several files together say: as containerd 1.7 merges them, or as 2.x does. */
class Settings {
  readonly #files: readonly { readonly path: string; readonly table: TomlTable }[];

  constructor(files: readonly { readonly path: string; readonly table: TomlTable }[], wholePlugins: boolean) {
    this.#files = wholePlugins
      ? files.map((file, at) => ({ ...file, table: shadowed(file.table, files.slice(at + 1)) }))
      : files;
  }

  /** The value of the first of several keys that is there, with that key. */
  first(
    keys: readonly (readonly string[])[],
  ): { readonly path: string; readonly key: string; readonly value: unknown } | undefined {
    for (const parts of keys) {
      const found = this.get(parts);
      const key = parts.map((part) => (part.includes('.') ? `'${part}'` : part)).join('.');
      if (found !== undefined) return { ...found, key };
    }
    return undefined;
  }

  /** The value that counts, with the file that says it; tables are merged. */
  get(keys: readonly string[]): { readonly path: string; readonly value: unknown } | undefined {
    let result: { readonly path: string; readonly value: unknown } | undefined;
    for (const { path, table } of this.#files) {
      let value: unknown = table;
      for (const key of keys) value = isTable(value) ? value[key] : undefined;
      if (value === undefined) continue;
      result = {
        path,
        value: isTable(value) && isTable(result?.value) ? merged(result.value, value) : value,
      };
    }
    return result;
  }
}

/** A file's table without the plugins that a later file has. */
function shadowed(table: TomlTable, later: readonly { readonly table: TomlTable }[]): TomlTable {
  const plugins = table['plugins'];
  if (!isTable(plugins)) return table;
  const kept = Object.entries(plugins).filter(
    ([name]) => !later.some((file) => isTable(file.table['plugins']) && name in file.table['plugins']),
  );
  return { ...table, plugins: Object.fromEntries<TomlTable[string]>(kept) };
}

function merged(base: TomlTable, over: TomlTable): TomlTable {
  const result: TomlTable = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isTable(below) && isTable(value) ? merged(below, value) : value;
  }
  return result;
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
