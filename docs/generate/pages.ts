import { renderCli } from './cli.ts';
import { completionFile, renderCompletion, SHELLS } from './completion.ts';
import { renderContainerd } from './containerd.ts';
import { PROGRAMS } from './help.ts';
import { manFile, renderMan } from './man.ts';
import { RECORDING, renderRecording } from './recording/recording.ts';

/** Pages, pictures and what shells read that are made from what lies in the project, by their paths. */
export const GENERATED: Readonly<Record<string, () => Promise<string>>> = {
  'docs/cli.md': renderCli,
  'docs/containerd.md': renderContainerd,
  [RECORDING.picture]: renderRecording,
  ...Object.fromEntries(PROGRAMS.map((program) => [manFile(program), () => renderMan(program)])),
  ...Object.fromEntries(
    PROGRAMS.flatMap((program) =>
      SHELLS.map((shell) => [completionFile(program, shell), () => renderCompletion(program, shell)]),
    ),
  ),
};
