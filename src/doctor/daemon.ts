import type { StatusResponse } from '../../proto/gen/messages.ts';
import { messageOf } from '../errors.ts';
import { createRpcClient } from '../rpc/client.ts';
import { status } from '../rpc/proto.ts';
import { failure, fine, type Finding } from './finding.ts';
import type { Check } from './run-checks.ts';

/** What the daemon said of itself, or why it said nothing. */
export type DaemonFacts = { readonly answer: StatusResponse } | { readonly refusal: string };

/** Whether our daemon answers, and what it could not repair. */
export function daemonCheck({ address }: { readonly address: string }): Check {
  return {
    name: 'daemon',
    run: async (signal) => judgeDaemon(address, await askDaemon(address, signal)),
  };
}

/** Asks the daemon for its status. */
export async function askDaemon(address: string, signal: AbortSignal): Promise<DaemonFacts> {
  using client = createRpcClient({ address });
  try {
    return { answer: await client.service(status).Status({}, { signal, timeoutMs: 5000 }) };
  } catch (error) {
    return { refusal: messageOf(error) };
  }
}

/** What there is to say of the daemon at `address`. */
export function judgeDaemon(address: string, facts: DaemonFacts): readonly Finding[] {
  if ('refusal' in facts) {
    return [
      failure('daemon-unreachable', {
        what: `the daemon does not answer on ${address}: ${facts.refusal}`,
        why: 'no container that uses it can be created or deleted, and no image unpacked for it',
        fix: 'start it, and read why it ended',
        commands: [
          'systemctl restart nix-snapshotter.service',
          'journalctl --unit nix-snapshotter.service --lines 50',
        ],
      }),
    ];
  }
  const { version, pid, snapshots, problems } = facts.answer;
  const degraded = snapshots?.degraded ?? 0n;
  const troubles = problems.map((problem) =>
    failure('daemon-problem', {
      what: problem,
      why: 'the last start of the daemon could not repair it',
      fix: 'do what the sentence says, then restart the daemon',
      commands: ['systemctl restart nix-snapshotter.service'],
    }),
  );
  const lost =
    degraded === 0n || problems.length > 0
      ? []
      : [
          failure('daemon-degraded', {
            what: `${degraded} snapshots of the daemon are degraded: their records or directories cannot be read`,
            why: 'containers and images that use them cannot be started',
            fix: 'remove the images and containers that use them, and pull again; the log names each',
            commands: ['journalctl --unit nix-snapshotter.service --grep degraded'],
          }),
        ];
  return [
    fine('daemon', `nix-snapshotter ${version}, pid ${pid}, answers on ${address}`),
    ...troubles,
    ...lost,
  ];
}
