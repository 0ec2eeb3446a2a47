import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { arch, release } from 'node:os';
import type { Outcome } from './run-tests.ts';
import { testbedRoot } from './sandbox/layout.ts';

/** What the last runs of the tests came to, and on what they ran. */
export interface Results {
  /** Of the newest run, `2026-01-31`. */
  readonly date: string;
  readonly kernel: string;
  readonly arch: string;
  /** Version of each component of the test bed that was there. */
  readonly components: Readonly<Record<string, string>>;
  readonly outcomes: readonly Outcome[];
}

const FILE = `${testbedRoot}/results.json`;

/** The results of the runs so far; undefined before the first. */
export async function readResults(): Promise<Results | undefined> {
  try {
    return JSON.parse(await readFile(FILE, 'utf8')) as Results;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A run that has ended. */
export interface Run {
  readonly outcomes: readonly Outcome[];
  /** All tests ran: what is not among them is no test any more. */
  readonly whole: boolean;
  /** Of the components that it got. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Adds the outcomes of a run to those before it, the same test's newest in place of its last one. */
export async function recordResults({ outcomes, whole, versions }: Run): Promise<Results> {
  const before = await readResults();
  const kept = whole ? [] : (before?.outcomes ?? []);
  const byName = new Map([...kept, ...outcomes].map((outcome) => [JSON.stringify(outcome.path), outcome]));
  const results: Results = {
    date: new Date().toISOString().slice(0, 10),
    kernel: release(),
    arch: arch(),
    components: { ...before?.components, ...versions },
    outcomes: [...byName.values()],
  };
  await mkdir(testbedRoot, { recursive: true });
  // Runs at the same time may lose each other's outcomes, but no reader finds half a file.
  const draft = `${FILE}.${process.pid}`;
  await writeFile(draft, JSON.stringify(results));
  await rename(draft, FILE);
  return results;
}
