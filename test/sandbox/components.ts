import { mkdir, writeFile } from 'node:fs/promises';
import { messageOf } from '../../src/errors.ts';
import allowedMissing from './allowed-missing.json' with { type: 'json' };
import { type Suite, debianBase } from './debian-base.ts';
import { ENGINES, enginesBase } from './engines.ts';
import { GO_TOOLS, type GoToolName, ensureTool } from './go-tools.ts';
import { testbedRoot } from './layout.ts';
import { prometheusFolder } from './prometheus.ts';
import { ROOTLESS, rootlessBase } from './rootless.ts';
import { runscFolder } from './runsc.ts';

export const COMPONENTS = [
  'debian-trixie',
  'debian-sid',
  'containerd-2.2',
  'containerd-2.3',
  'containerd-2.4',
  'nerdctl',
  'crictl',
  'critest',
  'buildkit',
  'nix2container',
  'runsc',
  'engines',
  'prometheus',
  'rootless',
  'etcd',
  'kubernetes',
] as const;
export type Component = (typeof COMPONENTS)[number];

/** What only a cluster needs: Kubernetes takes longer to build than everything else together. */
export const CLUSTER_COMPONENTS: readonly Component[] = ['etcd', 'kubernetes'];

/** What a probe found: the version that was got, or why there is none. */
export type Availability =
  | { readonly component: Component; readonly version: string }
  | { readonly component: Component; readonly reason: string; readonly mayBeMissing: boolean };

const probes = new Map<Component, Promise<Availability>>();

/** Gets a component (building it when needed) and says what it is. Each is tried once per process. */
export async function probe(component: Component, log?: (line: string) => void): Promise<Availability> {
  let known = probes.get(component);
  if (known === undefined) {
    known = tryToGet(component, log);
    probes.set(component, known);
  }
  return await known;
}

/**
 * For a test's `skip` option: false when the component is there; otherwise "not available: reason". With `CI` set
 * only a component on the allow-list may be missing: any other gives false, so that its tests run and fail.
 */
export async function skipWithout(component: Component): Promise<string | false> {
  const found = await probe(component);
  if ('version' in found || (process.env['CI'] && !found.mayBeMissing)) return false;
  return `${component} is not available: ${found.reason}`;
}

async function tryToGet(component: Component, log?: (line: string) => void): Promise<Availability> {
  let result: Availability;
  try {
    result = { component, version: await get(component, log) };
  } catch (error) {
    result = { component, reason: messageOf(error), mayBeMissing: component in allowedMissing };
  }
  await mkdir(`${testbedRoot}/components`, { recursive: true });
  await writeFile(`${testbedRoot}/components/${component}.json`, JSON.stringify(result));
  return result;
}

async function get(component: Component, log?: (line: string) => void): Promise<string> {
  if (component === 'debian-trixie' || component === 'debian-sid') {
    const { versions } = await debianBase(component.slice('debian-'.length) as Suite, log);
    return ['containerd', 'runc', 'nix-bin'].map((name) => `${name} ${versions[name] ?? '?'}`).join(', ');
  }
  if (component === 'engines') {
    const { versions } = await enginesBase(log);
    return ENGINES.map((name) => `${name} ${versions[name] ?? '?'}`).join(', ');
  }
  if (component === 'rootless') {
    const { versions } = await rootlessBase(log);
    return ROOTLESS.map((name) => `${name} ${versions[name] ?? '?'}`).join(', ');
  }
  if (component === 'runsc') return (await runscFolder(log)).versions['runsc'] ?? '?';
  if (component === 'prometheus') return (await prometheusFolder(log)).versions['prometheus'] ?? '?';
  const tool: GoToolName = component;
  await ensureTool(tool, log);
  return GO_TOOLS[tool].version;
}
