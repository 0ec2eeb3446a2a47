import { renderCli } from './cli.ts';

/** Pages that are made from the source, by where they lie in the project. */
export const GENERATED: Readonly<Record<string, () => Promise<string>>> = {
  'docs/cli.md': renderCli,
};
