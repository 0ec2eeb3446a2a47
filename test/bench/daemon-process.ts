import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

/** How long a process rests before its memory is read, in milliseconds. */
const IDLE_MS = 1500;

export interface Measured {
  /** From spawn to ready, milliseconds. */
  readonly readyMs: number;
  /** Resident memory when idle, MiB. */
  readonly residentMiB: number;
  /** Of it, memory that no other process can share, MiB. */
  readonly privateMiB: number;
}

/** Starts the bundled daemon on an empty root, measures it and stops it. */
export async function measureDaemon(): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    const args = [resolve('dist/nix-snapshotter.mjs'), '--address', join(directory, 's.sock')];
    return await measure([...args, '--root', join(directory, 'root')], (line) =>
      line.includes('"msg":"ready"'),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The floor: node itself, doing nothing. */
export function measureNode(): Promise<Measured> {
  return measure(['-e', 'console.error("ready"); setInterval(() => {}, 1e6)'], (line) => line === 'ready');
}

async function measure(args: readonly string[], isReady: (line: string) => boolean): Promise<Measured> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    await readyLine(child, isReady);
    const readyMs = performance.now() - start;
    await setTimeout(IDLE_MS);
    return { readyMs, ...(await memoryOf(child.pid ?? 0)) };
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

async function readyLine(child: ChildProcess, isReady: (line: string) => boolean): Promise<void> {
  const said: string[] = [];
  if (child.stderr === null) throw new Error('stderr is not piped');
  for await (const line of createInterface({ input: child.stderr })) {
    if (isReady(line)) return void child.stderr.resume();
    said.push(line);
  }
  throw new Error(`the process ended before it was ready: ${said.join('\n')}`);
}

async function memoryOf(pid: number): Promise<{ residentMiB: number; privateMiB: number }> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mebibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) / 1024;
  return {
    residentMiB: mebibytes('Rss'),
    privateMiB: mebibytes('Private_Dirty') + mebibytes('Private_Clean'),
  };
}
