import type { TomlTable } from 'smol-toml';
import { CRI_1, CRI_2, TRANSFER } from './plugins.ts';

/** A service that containerd takes a plugin from. */
export interface ProxyPlugin {
  readonly name: string;
  readonly type: string;
  readonly address: string;
  readonly capabilities: readonly string[];
  /** Where CRI looks for the space that its snapshots take. */
  readonly root: string | undefined;
}

/** What CRI is told, as far as it is of interest here. */
export interface CriSettings {
  readonly snapshotter: string;
  /** Runtimes that have a snapshotter of their own. */
  readonly runtimes: readonly { readonly name: string; readonly snapshotter: string }[];
  /** Directories of `hosts.toml` files, in the order in which they are looked at. */
  readonly hostsDirs: readonly string[];
  /** Layers are removed from the content store once they are unpacked. */
  readonly discardsLayers: boolean;
}

/** What a containerd makes of its configuration, as far as it is of interest here. */
export interface EffectiveConfig {
  readonly proxies: readonly ProxyPlugin[];
  /** Undefined where CRI is switched off. */
  readonly cri: CriSettings | undefined;
  /** Snapshotters that the transfer service unpacks for. */
  readonly unpacksFor: readonly string[];
}

/** Reads what `containerd config dump` prints. */
export function effectiveConfig(dump: TomlTable): EffectiveConfig {
  const proxies = Object.entries(tableOf(dump['proxy_plugins'])).map(([name, value]): ProxyPlugin => {
    const proxy = tableOf(value);
    const root = tableOf(proxy['exports'])['root'];
    return {
      name,
      type: textOf(proxy['type']),
      address: textOf(proxy['address']),
      capabilities: listOf(proxy['capabilities']).filter((one) => typeof one === 'string'),
      root: typeof root === 'string' ? root : undefined,
    };
  });
  const plugins = tableOf(dump['plugins']);
  const unpack = listOf(tableOf(plugins[TRANSFER])['unpack_config']);
  return {
    proxies,
    cri: listOf(dump['disabled_plugins']).some(isCri) ? undefined : criSettings(plugins),
    unpacksFor: unpack.map((entry) => textOf(tableOf(entry)['snapshotter'])),
  };
}

function criSettings(plugins: TomlTable): CriSettings {
  const images = tableOf(plugins[CRI_2]);
  const cri = tableOf(plugins[CRI_1]);
  const containerd = tableOf(cri['containerd']);
  const runtimesOf2 = tableOf(tableOf(plugins['io.containerd.cri.v1.runtime'])['containerd'])['runtimes'];
  const runtimes = { ...tableOf(containerd['runtimes']), ...tableOf(runtimesOf2) };
  const registry = { ...tableOf(cri['registry']), ...tableOf(images['registry']) };
  return {
    snapshotter: textOf(images['snapshotter'] ?? containerd['snapshotter']),
    runtimes: Object.entries(runtimes)
      .map(([name, runtime]) => ({ name, snapshotter: textOf(tableOf(runtime)['snapshotter']) }))
      .filter(({ snapshotter }) => snapshotter !== ''),
    hostsDirs: textOf(registry['config_path'])
      .split(':')
      .filter((directory) => directory !== ''),
    discardsLayers: (images['discard_unpacked_layers'] ?? containerd['discard_unpacked_layers']) === true,
  };
}

function isCri(name: unknown): boolean {
  return name === 'cri' || name === CRI_1 || name === CRI_2;
}

function tableOf(value: unknown): TomlTable {
  const isTable =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
  return isTable ? (value as TomlTable) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
