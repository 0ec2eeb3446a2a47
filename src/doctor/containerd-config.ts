import type { CriSettings, EffectiveConfig, ProxyPlugin } from '../containerd/effective-config.ts';
import { traitsOf } from '../containerd/release.ts';
import type { RunningContainerd } from '../containerd/running.ts';
import type { Commands } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

export interface ContainerdConfigFacts {
  /** The main file. */
  readonly file: string;
  /** What containerd makes of its files now, or why it cannot read them. */
  readonly effective: EffectiveConfig | { readonly unreadable: string };
  readonly running: Pick<RunningContainerd, 'release' | 'plugins'>;
  readonly daemon: { readonly address: string; readonly root: string };
  /** What the snapshotter is called, unless containerd has another name for our socket. */
  readonly snapshotter: string;
  /** Whether pods are to use it: setup was told so, or the daemon serves the kubelet. */
  readonly isForPods: boolean;
}

/** Each setting that has to be changed, with what it has to be. */
export function judgeContainerdConfig(facts: ContainerdConfigFacts, commands: Commands): readonly Finding[] {
  const { effective, file, daemon } = facts;
  const mend = { commands: [commands.setup, commands.restartDaemon, commands.restartContainerd] };
  if ('unreadable' in effective)
    return [
      failure('containerd-config-unreadable', {
        what: `containerd cannot read its configuration, ${file}: ${effective.unreadable}`,
        why: 'it does not start again',
        fix: 'correct the line that it names, then restart it',
        commands: [commands.restartContainerd],
      }),
    ];
  const ours = effective.proxies.find(({ address }) => address === daemon.address);
  if (ours === undefined) return [noProxy(facts, effective.proxies, mend)];
  const loaded = facts.running.plugins.find(
    ({ name, exports }) =>
      name === `io.containerd.snapshotter.v1.${ours.name}` && exports['address'] === ours.address,
  );
  if (ours.type === 'snapshot' && loaded === undefined)
    return [
      failure('containerd-not-restarted', {
        what: `the containerd that runs has no snapshotter ${ours.name}, which ${file} has: it was started before`,
        why: 'it reads its configuration when it starts; until then nothing can use the snapshotter',
        fix: 'restart containerd; containers that run go on',
        commands: [commands.restartContainerd],
      }),
    ];
  const findings = [
    ...judgeProxy(ours, facts, mend),
    ...judgeUnpack(effective.unpacksFor, ours.name, mend),
    ...(effective.cri === undefined ? [] : judgeCri(effective.cri, ours.name, facts, mend)),
  ];
  if (findings.length > 0) return findings;
  const pods = effective.cri?.snapshotter === ours.name ? ', and pods use it' : '';
  return [fine('containerd-config', `containerd knows the daemon as snapshotter ${ours.name}${pods}`)];
}

/** Whether a containerd that runs has the daemon as a snapshotter, where its files cannot be read as it reads them. */
export function judgeLoaded(
  { plugins }: Pick<RunningContainerd, 'plugins'>,
  address: string,
  { restartContainerd }: Commands,
): readonly Finding[] {
  const ours = plugins.find(({ exports }) => exports['address'] === address);
  if (ours !== undefined) return [fine('containerd-config', `containerd knows the daemon as ${ours.name}`)];
  return [
    failure('containerd-proxy-missing', {
      what: `the containerd that runs does not know the daemon: no proxy plugin has the address ${address}`,
      why: 'no container or image can use the daemon',
      fix: 'docs/rootless.md shows what belongs into ~/.config/containerd/config.toml; then restart containerd',
      commands: [restartContainerd],
    }),
  ];
}

interface Mend {
  readonly commands: readonly string[];
}

function noProxy(
  { file, daemon, snapshotter }: ContainerdConfigFacts,
  proxies: readonly ProxyPlugin[],
  mend: Mend,
): Finding {
  const entry = `[proxy_plugins.${snapshotter}] type = "snapshot", address = "${daemon.address}"`;
  const other = proxies.find(({ name }) => name === snapshotter);
  if (other !== undefined)
    return failure('containerd-proxy-address', {
      what: `containerd looks for snapshotter ${snapshotter} at ${other.address}, the daemon listens at ${daemon.address}`,
      why: 'no container or image can use the daemon',
      fix: `correct the address of proxy_plugins.${snapshotter} (${file} and what it imports), or "address" of the daemon; then restart both`,
      commands: mend.commands.slice(-1),
    });
  return failure('containerd-proxy-missing', {
    what: `containerd’s configuration (${file} and what it imports) does not name the daemon: ${entry} is missing`,
    why: 'no container or image can use the daemon',
    fix: 'setup writes it, and what else is needed; then restart both',
    ...mend,
  });
}

function judgeProxy(ours: ProxyPlugin, facts: ContainerdConfigFacts, mend: Mend): readonly Finding[] {
  const { running, daemon } = facts;
  const { line, remapsIds } = traitsOf(running.release);
  const table = `proxy_plugins.${ours.name}`;
  const restart = { commands: mend.commands.slice(-1) };
  const findings: Finding[] = [];
  if (ours.type !== 'snapshot')
    findings.push(
      failure('containerd-proxy-type', {
        what: `${table} has the type ${JSON.stringify(ours.type)}`,
        why: 'containerd does not take it for a snapshotter',
        fix: `set type = "snapshot" in ${table}, then restart containerd`,
        ...restart,
      }),
    );
  if (ours.capabilities.includes('rebase'))
    findings.push(
      failure('containerd-rebase', {
        what: `${table} declares the capability "rebase"`,
        why: 'containerd 2.2 and later then unpack layers beside each other, and files that an upper layer deletes stay',
        fix: `take "rebase" out of capabilities in ${table}, then restart containerd`,
        ...restart,
      }),
    );
  if (ours.capabilities.includes('remap-ids') !== remapsIds)
    findings.push(
      warning('containerd-remap-ids', {
        what: `${table} ${remapsIds ? 'lacks' : 'declares'} the capability "remap-ids", which containerd ${line} ${remapsIds ? 'needs' : 'does not know'}`,
        why: 'containers with a user namespace of their own (hostUsers: false) fail; others are not concerned',
        fix: `set capabilities = [${remapsIds ? '"remap-ids"' : ''}] in ${table}, then restart containerd`,
        ...restart,
      }),
    );
  if (ours.root !== daemon.root)
    findings.push(
      warning('containerd-exports-root', {
        what: `${table} names ${ours.root === undefined ? 'no exports.root' : `exports.root ${ours.root}`}, the daemon’s root is ${daemon.root}`,
        why: 'CRI measures the space of images at another place: the kubelet sees a wrong disk fill up',
        fix: `set root = "${daemon.root}" in ${table}.exports, then restart containerd`,
        ...restart,
      }),
    );
  return findings;
}

function judgeUnpack(unpacksFor: readonly string[], name: string, mend: Mend): readonly Finding[] {
  if (!unpacksFor.includes(name))
    return [
      failure('containerd-unpack', {
        what: `unpack_config of containerd’s transfer service does not list snapshotter ${name}`,
        why: 'pulls and imports fail with "no unpack platforms defined", or leave images without snapshots',
        fix: `setup adds it: snapshotter = "${name}", differ = "walking", beside what is there; then restart containerd`,
        ...mend,
      }),
    ];
  if (unpacksFor.includes('overlayfs')) return [];
  return [
    warning('containerd-unpack-overlayfs', {
      what: 'unpack_config of containerd’s transfer service does not list overlayfs: the list replaces the default',
      why: 'imports and pulls for overlayfs fail with "no unpack platforms defined"',
      fix: 'add an entry with snapshotter = "overlayfs", differ = "walking", then restart containerd',
      commands: mend.commands.slice(-1),
    }),
  ];
}

function judgeCri(
  cri: CriSettings,
  name: string,
  { isForPods }: ContainerdConfigFacts,
  mend: Mend,
): readonly Finding[] {
  const findings: Finding[] = [];
  const own = cri.runtimes.filter(({ snapshotter }) => snapshotter === name).map((runtime) => runtime.name);
  if (cri.snapshotter !== name) {
    const trouble = {
      what: `pods use snapshotter ${cri.snapshotter || '(none)'}, not ${name}`,
      why: 'a pod sees the store paths of an image as empty directories',
      fix: `setup sets CRI’s snapshotter = "${name}"; then restart containerd`,
      ...mend,
    };
    if (own.length === 0)
      findings.push(isForPods ? failure('cri-snapshotter', trouble) : warning('cri-snapshotter', trouble));
    else
      findings.push(
        warning('cri-runtime-snapshotter', {
          what: `only the runtime ${own.join(', ')} uses snapshotter ${name}; CRI’s own is ${cri.snapshotter}`,
          why: 'CRI pulls for its own snapshotter: images of that runtime are unpacked again, before containerd 2.2 without their annotations',
          fix: `set CRI’s snapshotter = "${name}", which runs ordinary images as well; then restart containerd`,
          ...mend,
        }),
      );
  }
  if (cri.discardsLayers)
    findings.push(
      warning('cri-discard', {
        what: 'discard_unpacked_layers is true: CRI removes layers once they are unpacked',
        why: 'images that were unpacked for another snapshotter before cannot be unpacked again, only pulled',
        fix: 'set discard_unpacked_layers = false where images were there before, or pull them again; then restart containerd',
        commands: mend.commands.slice(-1),
      }),
    );
  return findings;
}
