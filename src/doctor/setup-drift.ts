import { type Commands, shellWord } from './commands.ts';
import { failure, fine, type Finding } from './finding.ts';

/** What is different from what `setup` would write, or why that cannot be told. */
export type DriftFacts =
  | { readonly targets: readonly string[]; readonly files: readonly string[] }
  | { readonly problem: string };

/** Whether the files that `setup` wrote are as it would write them now. */
export function judgeDrift(
  facts: DriftFacts,
  { restartDaemon, restartContainerd }: Commands,
  config?: string,
): readonly Finding[] {
  if ('problem' in facts)
    return [
      failure('setup-stuck', {
        what: facts.problem,
        why: 'what setup wrote is not there any more as it was, and setup cannot write it again',
        fix: 'do what the sentence says',
      }),
    ];
  const { targets, files } = facts;
  if (targets.length === 0) return [];
  const flags = targets.map((target) => `--${target}`).join(' ');
  if (files.length === 0)
    return [fine('setup', `the files of "nix-snapshotter setup ${flags}" are as it would write them`)];
  const command = `nix-snapshotter setup ${flags}${config === undefined ? '' : ` --config ${shellWord(config)}`}`;
  return [
    failure('setup-outdated', {
      what: `setup would write otherwise now: ${files.join(', ')}`,
      why: 'a file was changed or removed, the daemon was configured otherwise, or containerd is of another release: clients may not find the daemon',
      fix: 'see what would change (--dry-run), run setup again, then restart both',
      commands: [
        command,
        restartDaemon,
        ...(targets.includes('containerd') || targets.includes('k3s') ? [restartContainerd] : []),
      ],
    }),
  ];
}
