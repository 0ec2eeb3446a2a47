import { renderCli } from './cli.ts';
import { renderContainerd } from './containerd.ts';
import { RECORDING, renderRecording } from './recording/recording.ts';

/** Pages and pictures that are made from what lies in the project, by their paths. */
export const GENERATED: Readonly<Record<string, () => Promise<string>>> = {
  'docs/cli.md': renderCli,
  'docs/containerd.md': renderContainerd,
  [RECORDING.picture]: renderRecording,
};
