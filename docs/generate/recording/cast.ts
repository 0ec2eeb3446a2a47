import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Columns of the demo's report. */
const WIDTH = 100;
/** Lines that are seen at a time. */
const HEIGHT = 32;

/** A recorded terminal: what was written when, in seconds since the start. */
export interface Cast {
  readonly width: number;
  readonly height: number;
  readonly events: readonly (readonly [seconds: number, text: string])[];
}

/**
 * Runs a command as if at a terminal with colours, and records what it writes.
 *
 * @throws Error when it fails; with what it wrote to stderr.
 */
export async function record(program: string, args: readonly string[]): Promise<Cast> {
  const { NO_COLOR: _, ...env } = process.env;
  const child = spawn(program, args, {
    env: { ...env, FORCE_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const start = performance.now();
  const events: [number, string][] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    events.push([Math.round(performance.now() - start) / 1000, text.replaceAll('\n', '\r\n')]);
  });
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${child.exitCode}`);
  return { width: WIDTH, height: HEIGHT, events };
}

/** A cast as a file. Source: asciicast v2, https://docs.asciinema.org/manual/asciicast/v2/. */
export function formatCast({ width, height, events }: Cast): string {
  const lines = [{ version: 2, width, height }, ...events.map(([seconds, text]) => [seconds, 'o', text])];
  return `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
}

/** Reads what {@link formatCast} writes. */
export function parseCast(file: string): Cast {
  const [header = '', ...lines] = file.trimEnd().split('\n');
  const { width, height } = JSON.parse(header) as Cast;
  const events = lines.map((line) => {
    const [seconds, , text] = JSON.parse(line) as [number, string, string];
    return [seconds, text] as const;
  });
  return { width, height, events };
}
