import { existsSync } from 'node:fs';
import { CONTAINERD_CONFIG, HOSTS_DIRS } from '../containerd/plugins.ts';
import { effectiveConfig } from '../containerd/effective-config.ts';
import { containerdProcess } from '../containerd/process.ts';
import { type ContainerdProgram, containerdRelease, dumpConfig, INSTALLED } from '../containerd/program.ts';
import { askContainerd, type ContainerdAnswer, type RunningContainerd } from '../containerd/running.ts';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { nixOptions } from '../nix/configured.ts';
import { type Commands, commandsFor } from './commands.ts';
import { judgeContainerd } from './containerd.ts';
import { judgeContainerdConfig, judgeLoaded } from './containerd-config.ts';
import { askDaemon, type DaemonFacts, judgeDaemon } from './daemon.ts';
import { judgeDisk, readDisk } from './disk.ts';
import type { Finding } from './finding.ts';
import { judgeHosts, readHosts } from './hosts.ts';
import { judgeKernel, readKernel } from './kernel.ts';
import { judgeKubelet, readKubelet } from './kubelet.ts';
import { judgeMounts, readMounts } from './mounts.ts';
import { judgeNix, readNix } from './nix.ts';
import { readDistribution } from './packages.ts';
import { judgeRoot, readRoot } from './root-directory.ts';
import { judgeRootless, type RootlessHindrance } from './rootless.ts';
import type { Check } from './run-checks.ts';
import { type DriftFacts, judgeDrift } from './setup-drift.ts';
import { judgeSubstituters, readSubstituters } from './substituters.ts';
import { judgeUnits, readUnits } from './units.ts';

export interface ChecksOptions {
  readonly config: Config;
  /** The daemon's configuration file, where one was named. */
  readonly configFile?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** User id. */
  readonly user: number;
  /** containerd's socket as this process reaches it; of a user's containerd that is in RootlessKit's namespaces. */
  readonly containerdAddress: string;
}

export interface ChecksDeps {
  /** Compares the node with what `setup` would write for a release of containerd. */
  readonly drift: (release: string | undefined) => Promise<DriftFacts>;
  /** What hinders containers without root here. */
  readonly rootlessProblems: () => readonly RootlessHindrance[];
}

/** What the installer of k3s writes on an agent, in place of `k3s.service`. */
const K3S_AGENT = '/etc/systemd/system/k3s-agent.service';
/** How long containerd may take to answer, in milliseconds. */
const CONTAINERD_MS = 5000;

/** Everything that `doctor` looks at, in the order in which it is told. */
export function checksOf(options: ChecksOptions, deps: ChecksDeps): readonly Check[] {
  const { config, configFile, env, user } = options;
  const isRoot = user === 0;
  const commands = commandsFor({
    isRoot,
    containerdAddress: config.containerd_address,
    config: configFile,
    isAgent: existsSync(K3S_AGENT),
    distribution: readDistribution(),
  });
  // Several checks are about them; each is asked once.
  const daemon = once((signal: AbortSignal) => askDaemon(config.address, signal));
  const containerd = once(() => askContainerd(options.containerdAddress, CONTAINERD_MS));
  const nix = once((signal: AbortSignal) => readNix(nixOptions(config), { env, isRoot, signal }));
  const drift = once(async () => await deps.drift(runningOf(await containerd())?.release));
  return [
    { name: 'kernel', run: async () => judgeKernel(await readKernel(env), { isRoot, commands }) },
    ...(isRoot
      ? []
      : [{ name: 'rootless', run: () => Promise.resolve(judgeRootless(deps.rootlessProblems())) }]),
    { name: 'daemon', run: async (signal) => judgeDaemon(await daemon(signal), commands) },
    { name: 'root', run: async () => judgeRoot(await readRoot(config.root, user), commands) },
    { name: 'nix', run: async (signal) => judgeNix(await nix(signal), commands) },
    {
      name: 'substituters',
      run: async (signal) => {
        // Without Nix nobody can ask them: that is told by itself.
        if ('missing' in (await nix(signal)).version) return [];
        return judgeSubstituters(await readSubstituters(nixOptions(config), { env, signal }));
      },
    },
    {
      name: 'containerd',
      run: async () => {
        const answer = await containerd();
        const facts = { address: options.containerdAddress, daemonAddress: config.address, answer };
        return judgeContainerd({ ...facts, installed: await replacedBy(answer) }, commands);
      },
    },
    {
      name: 'containerd-config',
      run: async () =>
        isRoot
          ? await checkContainerdConfig(config, await containerd(), await drift(), commands)
          : orNothing(runningOf(await containerd()), (running) =>
              judgeLoaded(running, config.address, commands),
            ),
    },
    { name: 'setup', run: async () => judgeDrift(await drift(), commands, configFile) },
    ...(config.resolver.address === undefined
      ? []
      : [
          {
            name: 'hosts',
            run: async (signal: AbortSignal) =>
              await checkHosts(
                options,
                { daemon: await daemon(signal), answer: await containerd() },
                commands,
                signal,
              ),
          },
        ]),
    ...(config.image_service.enable
      ? [{ name: 'kubelet', run: async () => orNothing(await readKubelet(config.address), judgeKubelet) }]
      : []),
    {
      name: 'mounts',
      run: async (signal) => {
        const { answer } = await daemon(signal);
        const running = runningOf(await containerd());
        const pids = {
          daemon: answer === undefined ? undefined : Number(answer.pid),
          containerd: running === undefined ? undefined : containerdProcess(running)?.pid,
        };
        return judgeMounts(await readMounts(pids, config.root), commands);
      },
    },
    { name: 'disk', run: async (signal) => await checkDisks(config, await daemon(signal)) },
    {
      name: 'units',
      run: async () => orNothing(await readUnits(isRoot), (facts) => judgeUnits(facts, commands)),
    },
  ];
}

function orNothing<T>(facts: T | undefined, judge: (facts: T) => readonly Finding[]): readonly Finding[] {
  return facts === undefined ? [] : judge(facts);
}

function once<A extends readonly unknown[], T>(work: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  let result: Promise<T> | undefined;
  return (...args) => (result ??= work(...args));
}

function runningOf(answer: ContainerdAnswer): RunningContainerd | undefined {
  return 'running' in answer ? answer.running : undefined;
}

/** The version of the program that has taken the place of the one that runs. */
async function replacedBy(answer: ContainerdAnswer): Promise<string | undefined> {
  const process = 'running' in answer ? containerdProcess(answer.running) : undefined;
  return process?.isReplaced === true ? await containerdRelease(process) : undefined;
}

async function checkContainerdConfig(
  config: Config,
  answer: ContainerdAnswer,
  drift: DriftFacts,
  commands: Commands,
): Promise<readonly Finding[]> {
  if (!('running' in answer)) return [];
  const program = containerdProcess(answer.running) ?? INSTALLED;
  const file = program.config ?? CONTAINERD_CONFIG;
  const targets = 'targets' in drift ? drift.targets : ['containerd'];
  const facts = {
    file,
    effective: await effectiveOf(program, file),
    running: answer.running,
    daemon: { address: config.address, root: config.root },
    snapshotter: config.image_service.snapshotter,
    isForPods: config.image_service.enable || targets.includes('containerd') || targets.includes('k3s'),
  };
  return judgeContainerdConfig(facts, commands);
}

async function effectiveOf(program: ContainerdProgram, file: string) {
  try {
    return effectiveConfig(await dumpConfig(program, existsSync(file)));
  } catch (error) {
    return { unreadable: messageOf(error) };
  }
}

async function checkHosts(
  { config, user, env }: ChecksOptions,
  { daemon, answer }: { readonly daemon: DaemonFacts; readonly answer: ContainerdAnswer },
  commands: Commands,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { address } = config.resolver;
  // Of a daemon that does not run that is told by itself; k3s has the hosts in its registries.yaml.
  if (address === undefined || daemon.answer === undefined || commands.setup.includes('--k3s')) return [];
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const facts = await readHosts(
    {
      resolver: `http://${host}:${address.port}`,
      directories: await hostsDirs(answer, user, env),
      tokenFile: `${config.root}/resolver-token`,
    },
    signal,
  );
  return judgeHosts(facts, commands);
}

async function hostsDirs(
  answer: ContainerdAnswer,
  user: number,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  const usual = HOSTS_DIRS.split(':');
  if (user !== 0) return [`${env['XDG_CONFIG_HOME'] ?? `${env['HOME']}/.config`}/containerd/certs.d`];
  const running = runningOf(answer);
  if (running === undefined) return usual;
  const program = containerdProcess(running) ?? INSTALLED;
  const effective = await effectiveOf(program, program.config ?? CONTAINERD_CONFIG);
  const ofCri = 'unreadable' in effective ? [] : (effective.cri?.hostsDirs ?? []);
  return ofCri.length > 0 ? ofCri : usual;
}

async function checkDisks({ root }: Config, { answer }: DaemonFacts): Promise<readonly Finding[]> {
  const store = answer?.nix_store?.real_dir ?? '/nix/store';
  const disks = await Promise.all([readDisk('snapshots', root), readDisk('Nix store', store)]);
  return disks.flatMap((disk) => orNothing(disk, judgeDisk));
}
