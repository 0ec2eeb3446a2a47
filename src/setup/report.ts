import type { Target } from './file-change.ts';
import { lineDiff } from './line-diff.ts';
import type { FileStep } from './steps.ts';

const DONE: Readonly<Record<FileStep['kind'], string>> = {
  create: 'created',
  change: 'changed',
  remove: 'removed',
  restore: 'restored',
  unchanged: 'unchanged',
  leave: 'LEFT',
};
const WOULD: Readonly<Record<FileStep['kind'], string>> = {
  create: 'would create',
  change: 'would change',
  remove: 'would remove',
  restore: 'would restore',
  unchanged: 'unchanged',
  leave: 'would LEAVE',
};

/** One line for each file; in a dry run each with its diff, secrets left out, and of a file with secrets the changed lines alone. */
export function describeSteps(
  steps: readonly FileStep[],
  dryRun: boolean,
  hide: (text: string) => string,
): string {
  const words = dryRun ? WOULD : DONE;
  return steps
    .map((step) => {
      const { path, kind, before, after, reason } = step;
      const line = `${words[kind].padEnd(dryRun ? 13 : 10)} ${path}${reason === undefined ? '' : `: ${reason}`}\n`;
      if (!dryRun || (after === undefined && kind !== 'remove')) return line;
      const from = before === undefined ? '/dev/null' : path;
      const to = after === undefined ? '/dev/null' : path;
      const modes = before !== undefined && after !== undefined && before.mode !== after.mode;
      const mode = modes ? `mode ${before.mode.toString(8)} becomes ${after.mode.toString(8)}\n` : '';
      const diff = lineDiff(hide(before?.text ?? ''), hide(after?.text ?? ''), isSecret(step) ? 0 : 3);
      return `${line}${mode}--- ${from}\n+++ ${to}\n${diff}`;
    })
    .join('');
}

/** What others may not read is not for a terminal either. */
function isSecret({ secret, before }: FileStep): boolean {
  return secret || (before !== undefined && (before.mode & 0o077) === 0);
}

/**
 * What has to be restarted for a target, in the order in which it has to be.
 *
 * @param rootless containerd is a user's; our daemon is started anew with it.
 */
export function restartCommands(
  targets: readonly Target[],
  { undone, rootless }: { readonly undone: boolean; readonly rootless: boolean },
): readonly string[] {
  const commands: string[] = [];
  const systemctl = rootless ? 'systemctl --user' : 'systemctl';
  const hasContainerd = targets.includes('containerd');
  if (!undone && !(rootless && hasContainerd)) commands.push(`${systemctl} restart nix-snapshotter.service`);
  if (hasContainerd) commands.push(`${systemctl} restart containerd.service`);
  if (targets.includes('k3s'))
    commands.push('systemctl restart k3s.service    # k3s-agent.service on an agent');
  return commands;
}
