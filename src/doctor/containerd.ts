import { CRI_1 } from '../containerd/plugins.ts';
import { traitsOf } from '../containerd/release.ts';
import type { ContainerdAnswer, RunningContainerd } from '../containerd/running.ts';
import type { Commands } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

export interface ContainerdFacts {
  readonly address: string;
  readonly answer: ContainerdAnswer;
  /** Version of the program that is installed in place of the one that runs; undefined where it is that one, or not known. */
  readonly installed?: string | undefined;
  /** Where our daemon listens. */
  readonly daemonAddress: string;
}

/** Plugins without which no container of ours can be made. */
const NEEDED = new RegExp(
  String.raw`^(?:${CRI_1.replaceAll('.', String.raw`\.`)}|io\.containerd\.(?:cri\.v1\.\w+|grpc\.v1\.cri|transfer\.v1\.local|diff\.v1\.walking))$`,
);

/** Whether containerd runs, is of a release that works, and has started the plugins that are needed. */
export function judgeContainerd(facts: ContainerdFacts, commands: Commands): readonly Finding[] {
  const { address, answer } = facts;
  if ('refusal' in answer) {
    if (answer.refusal.code === 'PermissionDenied' || answer.refusal.message.includes('EACCES'))
      return [denied(address, commands)];
    return [
      failure('containerd-down', {
        what: `containerd does not answer on ${address}`,
        why: 'nothing that depends on containerd could be looked at, and no container can be made',
        fix: 'start it; where it listens on another socket, say so by containerd_address in the daemon’s configuration',
        commands: [commands.restartContainerd],
      }),
    ];
  }
  const { running } = answer;
  return [
    fine('containerd', `containerd ${running.release} answers on ${address}`),
    ...judgeRelease(running),
    ...judgeInstalled(running, facts.installed, commands),
    ...judgePlugins(running, facts.daemonAddress, commands),
  ];
}

function denied(address: string, { again }: Commands): Finding {
  return failure('containerd-denied', {
    what: `this user may not open containerd’s socket ${address}`,
    why: 'nothing that depends on containerd could be looked at',
    fix: 'run doctor as the user whose containerd it is, most often root',
    commands: [`sudo ${again}`],
  });
}

function judgeRelease({ release }: RunningContainerd): readonly Finding[] {
  const { line, support } = traitsOf(release);
  if (support === 'tested') return [];
  if (support === 'untested')
    return [
      warning('containerd-untested', {
        what: `containerd ${line} is not among the releases that this version is tested with`,
        why: 'what is different there is not known here',
        fix: 'use one of docs/compatibility.md, or see whether there is a newer nix-snapshotter',
      }),
    ];
  return [
    failure('containerd-old', {
      what: `containerd ${release} is older than 1.7`,
      why: 'its proxy snapshotters, CRI and transfer are too different; nothing is tested',
      fix: 'upgrade containerd to a release of docs/compatibility.md',
    }),
  ];
}

function judgeInstalled(
  { release }: RunningContainerd,
  installed: string | undefined,
  { setup, restartContainerd }: Commands,
): readonly Finding[] {
  if (installed === undefined || installed === release) return [];
  const isOtherLine = traitsOf(installed).line !== traitsOf(release).line;
  return [
    warning('containerd-replaced', {
      what: `containerd ${installed} is installed, ${release} runs`,
      why: isOtherLine
        ? 'at its next start it is another release line, for which setup writes another drop-in'
        : 'the new one takes effect with a restart',
      fix: isOtherLine ? 'run setup for the new one, then restart containerd' : 'restart containerd',
      commands: [...(isOtherLine ? [setup] : []), restartContainerd],
    }),
  ];
}

function judgePlugins(
  { plugins }: RunningContainerd,
  daemonAddress: string,
  { restartContainerd, print }: Commands,
): readonly Finding[] {
  const broken = plugins.filter(({ name, failure: why, exports }) => {
    const isOurs = exports['address'] === daemonAddress;
    return why !== undefined && (isOurs || NEEDED.test(name));
  });
  return broken.map(({ name, failure: why }) =>
    failure('containerd-plugin', {
      what: `containerd’s plugin ${name} did not start: ${why}`,
      why: name.includes('transfer')
        ? 'images cannot be imported or pulled'
        : 'pods cannot run, or not with this snapshotter',
      fix: 'correct what it names in containerd’s configuration; this shows what belongs there; then restart containerd',
      commands: [print, restartContainerd],
    }),
  );
}
