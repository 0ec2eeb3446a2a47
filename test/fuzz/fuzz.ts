import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errnoOf } from '../../src/errors.ts';
import { Place, type TargetResult, type WorkerInput } from './worker.ts';

export interface FuzzOptions {
  readonly targets: readonly string[];
  /** How long each target is fed. */
  readonly seconds: number;
  /** Decides every input of a target; the machine's speed decides how many there are. */
  readonly seed: number;
}

/** How a target ended; what was found is kept as a seed. */
export interface FuzzResult {
  readonly name: string;
  readonly inputs: number;
  /** How many different things came of them. */
  readonly outcomes: number;
  readonly found?: { readonly file: string; readonly error: string };
}

/** Of the parsers of one thread, with all inputs that are kept; a hostile input may not take more. */
const MAX_HEAP_MB = 256;
/** An input that has not come to its end by then never does, on a machine with much else to do. */
const HANGS_MS = 60_000;
const MAX_INPUT_BYTES = 1024 * 1024;
const SEEDS = join(import.meta.dirname, 'seeds');

/** The inputs that are kept for a target, by file name. */
export async function keptSeeds(target: string): Promise<ReadonlyMap<string, Buffer>> {
  const directory = join(SEEDS, target);
  try {
    const names = (await readdir(directory)).toSorted();
    const read = async (name: string) => [name, await readFile(join(directory, name))] as const;
    return new Map(await Promise.all(names.map(read)));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return new Map();
    throw error;
  }
}

/** Feeds targets, which take turns in as many threads as there are processors. */
export async function fuzz({ targets, seconds, seed }: FuzzOptions): Promise<readonly FuzzResult[]> {
  const threads = Math.min(availableParallelism(), targets.length);
  const shares = Array.from({ length: threads }, (_, thread) =>
    targets.filter((_target, at) => at % threads === thread),
  );
  const results = await Promise.all(shares.map(async (share) => await inThread(share, seconds, seed)));
  return await Promise.all(
    results.flat().map(async ({ name, inputs, outcomes, failure }) => {
      if (failure === undefined) return { name, inputs, outcomes };
      return {
        name,
        inputs,
        outcomes,
        found: { file: await keep(name, failure.input), error: failure.error },
      };
    }),
  );
}

/** One thread, with little memory; when it does not end, that is the fault of the input at work. */
async function inThread(
  names: readonly string[],
  seconds: number,
  seed: number,
): Promise<readonly TargetResult[]> {
  const shared = new SharedArrayBuffer(Place.HEAD + MAX_INPUT_BYTES);
  const read = async (name: string) => ({ name, kept: [...(await keptSeeds(name)).values()] });
  const targets = await Promise.all(names.map(read));
  const milliseconds = seconds * 1000 * names.length;
  const workerData: WorkerInput = { targets, seed, milliseconds, shared };
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const place = new Place(shared);
  const { promise, resolve } = Promise.withResolvers<readonly TargetResult[]>();
  const failed = (error: string): void => {
    const failure = { input: place.input, error };
    const result = (name: string, at: number): TargetResult =>
      at === place.target
        ? { name, inputs: place.count, outcomes: 0, failure }
        : { name, inputs: 0, outcomes: 0 };
    resolve(names.map(result));
  };
  let last = 0;
  const watchdog = setInterval(() => {
    if (place.count > 0 && place.count === last) failed(`not at an end after ${HANGS_MS} ms`);
    last = place.count;
  }, HANGS_MS);
  worker.once('message', resolve);
  worker.once('error', (error) =>
    failed(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
  const results = await promise;
  clearInterval(watchdog);
  await worker.terminate();
  return results;
}

async function keep(target: string, input: Uint8Array): Promise<string> {
  await mkdir(join(SEEDS, target), { recursive: true });
  const file = join(SEEDS, target, createHash('sha256').update(input).digest('hex').slice(0, 16));
  await writeFile(file, input);
  return file;
}
