import { renderCli } from './cli.ts';
import { RECORDING, renderRecording } from './recording/recording.ts';

/** Pages and pictures that are made from what lies in the project, by their paths. */
export const GENERATED: Readonly<Record<string, () => Promise<string>>> = {
  'docs/cli.md': renderCli,
  [RECORDING.picture]: renderRecording,
};
