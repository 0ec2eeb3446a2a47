import type { TomlTable } from 'smol-toml';
import type { Config } from '../config/schema.ts';
import { pitfallsOf } from '../containerd/pitfalls.ts';
import type { ContainerdFiles } from './containerd-files.ts';
import { CONTAINERD_CONFIG } from '../containerd/plugins.ts';
import { traitsOf } from '../containerd/release.ts';
import { StatusError } from '../errors.ts';
import { DROP_IN, DROP_IN_PATTERN } from './containerd-files.ts';
import { containerdDropIn } from './containerd-drop-in.ts';
import { daemonConfig, type MissingKey } from './daemon-config.ts';
import { type FileChange, ownFile, type Target } from './file-change.ts';
import { hostsFiles } from './hosts-toml.ts';
import { K3S_FILES, K3S_SNAPSHOTTER, k3sFiles } from './k3s.ts';
import { HEADER } from './marker.ts';
import { nerdctlConfig } from './nerdctl.ts';
import { podmanAuth, podmanRegistries } from './podman.ts';
import type { TargetedChange } from './steps.ts';
import { addElement, parseToml } from './toml-edit.ts';

/** Where the resolver listens unless the daemon's configuration says. */
export const RESOLVER = '127.0.0.1:7373';
/** containerd's socket in k3s. */
const K3S_CONTAINERD = '/run/k3s/containerd/containerd.sock';
const PODMAN_REGISTRIES = '/etc/containers/registries.conf.d/nix-snapshotter.conf';

/** Where files of the user who runs setup are. */
export interface UserPaths {
  readonly isRoot: boolean;
  /** `$XDG_CONFIG_HOME`, or `.config` in the home directory. */
  readonly configHome: string;
}

/** All that a plan depends on. */
export interface NodeFacts {
  /** The daemon's configuration: its file, and what it says with defaults. */
  readonly configFile: string;
  readonly config: Config;
  readonly token: string;
  readonly platform: string;
  readonly user: UserPaths;
  /** Of containerd, where it is a target: the release, and its files. */
  readonly containerd?: ContainerdFiles & { readonly release: string };
  /** Text of each file that may have to be changed and is there. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface Plan {
  readonly changes: readonly TargetedChange[];
  /** What the user has to know besides the files, one sentence each. */
  readonly notes: readonly string[];
}

/** Files whose text a plan for these targets depends on, besides containerd's. */
export function filesOfPlan(
  targets: readonly Target[],
  configFile: string,
  user: UserPaths,
): readonly string[] {
  const files = [configFile];
  if (targets.includes('nerdctl')) files.push(nerdctlFile(user));
  if (targets.includes('podman')) files.push(authFile(user));
  if (targets.includes('k3s')) files.push(...Object.values(K3S_FILES));
  return files;
}

/**
 * The files that these targets need, each as it shall be.
 *
 * @throws StatusError FailedPrecondition naming file and key where something else was chosen on purpose.
 */
export function planSetup(targets: readonly Target[], facts: NodeFacts): Plan {
  const notes: string[] = [];
  const byPath = new Map<string, TargetedChange>();
  const makers: Readonly<Record<Target, () => readonly FileChange[]>> = {
    containerd: () => containerdChanges(facts, notes),
    hosts: () => hostsFiles(hostsDirOf(facts), resolverOf(facts.config), facts.token),
    k3s: () => k3sChanges(facts),
    nerdctl: () => nerdctlChanges(facts),
    podman: () => podmanChanges(facts),
  };
  for (const target of targets) {
    for (const change of makers[target]()) {
      const known = byPath.get(change.path);
      byPath.set(change.path, { change, targets: [...(known?.targets ?? []), target] });
    }
  }
  const config = daemonChange(targets, facts);
  return {
    changes: [...(config === undefined ? [] : [{ change: config, targets }]), ...byPath.values()],
    notes,
  };
}

function daemonChange(targets: readonly Target[], facts: NodeFacts): FileChange | undefined {
  const { configFile, config, texts } = facts;
  const missing: MissingKey[] = [];
  if (targets.includes('k3s') && !targets.includes('containerd')) {
    const said = parseToml(configFile, texts.get(configFile) ?? '');
    if (said['containerd_address'] === undefined)
      missing.push({ key: 'containerd_address', value: K3S_CONTAINERD });
    const service = said['image_service'] as TomlTable | undefined;
    if (config.image_service.enable && service?.['snapshotter'] === undefined)
      missing.push({ table: 'image_service', key: 'snapshotter', value: K3S_SNAPSHOTTER });
  }
  if (config.resolver.address === undefined)
    missing.push({ table: 'resolver', key: 'address', value: RESOLVER });
  return daemonConfig(configFile, texts.get(configFile), missing);
}

function containerdChanges(facts: NodeFacts, notes: string[]): readonly FileChange[] {
  const { containerd, config, platform, token } = facts;
  if (containerd === undefined) return [];
  const { release, files, importsDropIn } = containerd;
  notes.push(...notesOn(release));
  const { address: socket, root } = config;
  const dropIn = containerdDropIn({ release, files, platform, socket, root });
  const [main] = files;
  for (const what of dropIn.overrides) notes.push(`${what} is overridden by ${DROP_IN}.`);
  if (dropIn.criDisabled)
    notes.push(
      `CRI is switched off there (disabled_plugins): ctr and nerdctl work, crictl and a kubelet do not.`,
    );
  return [
    ...hostsFiles(dropIn.hostsDir, resolverOf(config), token),
    ownFile(DROP_IN, dropIn.text, dropIn.secret),
    ...(main === undefined ? [newMain(dropIn.version)] : importsDropIn ? [] : [withImport(main.text)]),
  ];
}

/**
 * What somebody who sets this release up has to see to.
 *
 * @throws StatusError FailedPrecondition for one that is too old.
 */
function notesOn(release: string): readonly string[] {
  const { line, support } = traitsOf(release);
  if (support === 'old')
    throw new StatusError(
      'FailedPrecondition',
      `containerd ${release} is older than 1.7, where nothing is tested; upgrade containerd, then run setup again`,
    );
  const ours = pitfallsOf(release).filter(({ met }) => met === 'you');
  return [
    ...(support === 'tested'
      ? []
      : [`containerd ${line} is not among the releases that this version is tested with.`]),
    ...ours.map(({ what, how }) => `containerd ${line}: ${what} ${how}`.replaceAll('`', '')),
  ];
}

function newMain(version: number): FileChange {
  return ownFile(CONTAINERD_CONFIG, `${HEADER}\nversion = ${version}\nimports = ["${DROP_IN_PATTERN}"]\n`);
}

function withImport(before: string): FileChange {
  const { text, lines } = addElement(CONTAINERD_CONFIG, before, 'imports', DROP_IN_PATTERN);
  return { path: CONTAINERD_CONFIG, text, mode: 0o644, secret: false, removal: { kind: 'lines', lines } };
}

function nerdctlChanges(facts: NodeFacts): readonly FileChange[] {
  const { config, token, user, texts } = facts;
  const path = nerdctlFile(user);
  const hostsDir = hostsDirOf(facts);
  const change = nerdctlConfig(path, texts.get(path), { hostsDir, rootless: !user.isRoot });
  return [...hostsFiles(hostsDir, resolverOf(config), token), ...(change === undefined ? [] : [change])];
}

/** Where clients look for the reserved hosts: in containerd's own directory where it is a target, too. */
function hostsDirOf({ config, containerd, platform, user }: NodeFacts): string {
  if (containerd === undefined)
    return user.isRoot ? '/etc/containerd/certs.d' : `${user.configHome}/containerd/certs.d`;
  const { release, files } = containerd;
  const { address: socket, root } = config;
  return containerdDropIn({ release, files, platform, socket, root }).hostsDir;
}

function podmanChanges({ config, token, user, texts }: NodeFacts): readonly FileChange[] {
  const resolver = resolverOf(config);
  const registries = user.isRoot
    ? PODMAN_REGISTRIES
    : `${user.configHome}/containers/registries.conf.d/nix-snapshotter.conf`;
  const auth = podmanAuth(authFile(user), texts.get(authFile(user)), { resolver, token });
  return [podmanRegistries(registries, resolver), ...(auth === undefined ? [] : [auth])];
}

function k3sChanges({ config, token, platform, texts }: NodeFacts): readonly FileChange[] {
  return k3sFiles({
    platform,
    socket: config.address,
    root: config.root,
    resolver: resolverOf(config),
    token,
    imageService: config.image_service.enable,
    files: texts,
  });
}

function resolverOf({ resolver: { address } }: Config): string {
  if (address === undefined) return RESOLVER;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function nerdctlFile({ isRoot, configHome }: UserPaths): string {
  return isRoot ? '/etc/nerdctl/nerdctl.toml' : `${configHome}/nerdctl/nerdctl.toml`;
}

function authFile({ configHome }: UserPaths): string {
  return `${configHome}/containers/auth.json`;
}
