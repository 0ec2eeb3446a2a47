import type { StatusResponse } from '../../proto/gen/messages.ts';
import { messageOf, type StatusCode, StatusError } from '../errors.ts';
import { createRpcClient } from '../rpc/client.ts';
import { status } from '../rpc/proto.ts';
import { VERSION } from '../version.ts';
import { type Commands, shellWord } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';
import { type Listener, listenerOf, type SocketState, socketState } from './socket-state.ts';

/** The daemon's socket, and what the daemon says of itself. */
export interface DaemonFacts {
  readonly address: string;
  readonly socket: SocketState;
  readonly answer?: StatusResponse;
  readonly refusal?: { readonly code: StatusCode; readonly message: string };
  /** Who listens, where something else than the daemon answers. */
  readonly listener?: Listener | undefined;
}

/** Asks the daemon for its status. */
export async function askDaemon(address: string, signal: AbortSignal): Promise<DaemonFacts> {
  const socket = await socketState(address, signal);
  if (socket.kind !== 'open') return { address, socket };
  using client = createRpcClient({ address });
  try {
    return {
      address,
      socket,
      answer: await client.service(status).Status({}, { signal, timeoutMs: 5000 }),
    };
  } catch (error) {
    const code = error instanceof StatusError ? error.code : 'Unknown';
    const refusal = { code, message: messageOf(error) };
    return { address, socket, refusal, listener: await listenerOf(address) };
  }
}

const NOTHING_WORKS = 'no container or image that uses it can be made or removed; what runs goes on';

/** Whether our daemon answers, and what it could not repair. */
export function judgeDaemon(facts: DaemonFacts, commands: Commands): readonly Finding[] {
  const { answer } = facts;
  if (answer === undefined) return [judgeSilence(facts, commands)];
  return [
    fine('daemon', `nix-snapshotter ${answer.version}, pid ${answer.pid}, answers on ${facts.address}`),
    ...judgeMode(facts),
    ...judgeVersion(answer, commands),
    ...judgeState(answer, commands),
    ...judgeView(answer, commands),
  ];
}

function judgeSilence({ address, socket, refusal, listener }: DaemonFacts, commands: Commands): Finding {
  const { restartDaemon, log } = commands;
  const start = { fix: 'start it; if it ends again, its log says why', commands: [restartDaemon, log] };
  const by = listener === undefined ? '' : `: pid ${listener.pid}, ${listener.command}`;
  switch (socket.kind) {
    case 'absent':
      return failure('daemon-down', {
        what: `the daemon does not run: ${address} is not there`,
        why: NOTHING_WORKS,
        ...start,
      });
    case 'stale':
      return failure('daemon-down', {
        what: `the daemon does not run: nobody listens on ${address}, which a daemon that was killed has left`,
        why: NOTHING_WORKS,
        ...start,
      });
    case 'other':
      return failure('socket-other', {
        what: `${address} is not a socket`,
        why: 'the daemon does not start: it removes nothing that is not its own',
        fix: 'move it away, then start the daemon',
        commands: [`mv ${shellWord(address)} ${shellWord(`${address}.moved`)}`, restartDaemon],
      });
    case 'denied':
      return failure('daemon-denied', {
        what: `this user may not open ${address}`,
        why: 'nothing can be learnt of the daemon; it is another user’s, most often root’s',
        fix: 'run doctor as that user',
        commands: [`sudo ${commands.again}`],
      });
    case 'silent':
    case 'open':
      if (refusal?.code === 'Unimplemented')
        return failure('daemon-foreign', {
          what: `something else than this daemon listens on ${address}${by}`,
          why: 'the Go version of nix-snapshotter has the same address; only one of both can have it',
          fix: 'stop and disable what listens there, or give this daemon another address, then start the daemon',
          commands: [restartDaemon],
        });
      return failure('daemon-silent', {
        what: `the daemon does not answer on ${address}${by}: ${refusal?.message ?? 'it takes no connection'}`,
        why: NOTHING_WORKS,
        fix: 'its log says what it does; then restart it',
        commands: [log, restartDaemon],
      });
  }
}

function judgeMode({ address, socket: { mode = 0, owner } }: DaemonFacts): readonly Finding[] {
  if ((mode & 0o077) === 0) return [];
  return [
    failure('socket-mode', {
      what: `${address} has mode ${mode.toString(8)} (owner: user ${owner})`,
      why: 'whoever may connect to it may mount and remove snapshots: that is as much as root',
      fix: 'nobody but its owner may open it; where systemd makes it, set SocketMode=0600 in the socket unit',
      commands: [`chmod 600 ${shellWord(address)}`],
    }),
  ];
}

function judgeVersion({ version }: StatusResponse, { restartDaemon }: Commands): readonly Finding[] {
  if (version === VERSION) return [];
  return [
    warning('daemon-version', {
      what: `the daemon that runs is version ${version}, this program is ${VERSION}`,
      why: 'an upgrade takes effect with a restart; containers that run do not notice it',
      fix: 'restart the daemon',
      commands: [restartDaemon],
    }),
  ];
}

function judgeState(answer: StatusResponse, commands: Commands): readonly Finding[] {
  const troubles = answer.problems.map((problem) =>
    failure('daemon-problem', {
      what: problem,
      why: 'the daemon found it when it started, and could not repair it',
      fix: 'see what a repair would do, then do it; what it leaves, the sentence says how to mend',
      commands: [`${commands.again} --repair --dry-run`, `${commands.again} --repair`],
    }),
  );
  const degraded = answer.snapshots?.degraded ?? 0n;
  if (degraded === 0n || troubles.length > 0) return troubles;
  return [
    failure('daemon-degraded', {
      what: `snapshots of the daemon are degraded: ${degraded} of their records or directories cannot be read`,
      why: 'containers and images that use them cannot start',
      fix: 'the log names each; see what a repair would do, then do it',
      commands: [commands.log, `${commands.again} --repair --dry-run`, `${commands.again} --repair`],
    }),
  ];
}

function judgeView({ view }: StatusResponse, commands: Commands): readonly Finding[] {
  if (view?.mode !== 'binds' || view.reason.startsWith('configured')) return [];
  return [
    warning('view-binds', {
      what: `closures are shown by one mount for each store path: ${view.reason}`,
      why: 'containers start more slowly, fs.mount-max is reached sooner, and CRI cannot run images that have a VOLUME',
      fix: 'mend what the reason names (docs/views.md); without root that is the view helper (docs/rootless.md)',
      commands: [commands.log],
    }),
  ];
}
