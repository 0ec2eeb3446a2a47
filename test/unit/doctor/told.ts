import { ok } from 'node:assert/strict';
import { commandsFor } from '../../../src/doctor/commands.ts';
import type { Finding } from '../../../src/doctor/finding.ts';

/** On a host that is root's, with containerd where it usually is. */
export const COMMANDS = commandsFor({
  isRoot: true,
  containerdAddress: '/run/containerd/containerd.sock',
});

/** `<level> <id>` of what is not as it should be. */
export function told(findings: readonly Finding[]): readonly string[] {
  for (const { level, why, fix } of findings) ok(level === 'ok' || (why !== '' && fix !== ''));
  return findings.filter(({ level }) => level !== 'ok').map(({ level, id }) => `${level} ${id}`);
}
