import { readFile } from 'node:fs/promises';
import { parseCast } from './cast.ts';
import { renderCast } from './render.ts';

/** The recorded demo, and what is made of it. */
export const RECORDING = { cast: 'docs/demo.cast', picture: 'docs/demo.svg' } as const;

/** docs/demo.svg. */
export async function renderRecording(): Promise<string> {
  return renderCast(parseCast(await readFile(RECORDING.cast, 'utf8')));
}
