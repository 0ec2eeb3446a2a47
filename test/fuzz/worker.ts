import { parentPort, workerData } from 'node:worker_threads';
import { mutate } from './mutate.ts';
import { Random, type Target } from './target.ts';
import { TARGETS } from './targets.ts';

/** What a worker is told. */
export interface WorkerInput {
  /** By name, with what is kept of earlier findings. They take turns. */
  readonly targets: readonly { readonly name: string; readonly kept: readonly Uint8Array[] }[];
  readonly seed: number;
  /** For all of them together. */
  readonly milliseconds: number;
  /** What is at work: see {@link Place}. */
  readonly shared: SharedArrayBuffer;
}

/** What it tells of each target at its end. */
export interface TargetResult {
  readonly name: string;
  readonly inputs: number;
  readonly outcomes: number;
  readonly failure?: { readonly input: Uint8Array; readonly error: string };
}

/** The input that is at work, for who watches: number of inputs so far, target, length, then its bytes. */
export class Place {
  static readonly HEAD = 12;
  readonly #head: Uint32Array;
  readonly #bytes: Uint8Array;

  constructor(shared: SharedArrayBuffer) {
    this.#head = new Uint32Array(shared, 0, 3);
    this.#bytes = new Uint8Array(shared, Place.HEAD);
  }

  set(target: number, input: Uint8Array): void {
    this.#bytes.set(input);
    this.#head[1] = target;
    this.#head[2] = input.length;
    this.#head[0] = (this.#head[0] ?? 0) + 1;
  }

  get count(): number {
    return this.#head[0] ?? 0;
  }

  get target(): number {
    return this.#head[1] ?? 0;
  }

  get input(): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(0, this.#head[2]));
  }
}

const TURN_MS = 50;
const MAX_CORPUS = 1000;
/** No input may take more of a processor, in microseconds. */
const MAX_CPU_US = 3_000_000;

/** One target on its way through inputs. */
class Course {
  readonly #target: Target;
  readonly #random: Random;
  readonly #corpus: Buffer[];
  readonly #first: readonly Buffer[];
  readonly #outcomes = new Set<string>();
  #inputs = 0;
  #failure: TargetResult['failure'];

  constructor(target: Target, seed: number, kept: readonly Uint8Array[]) {
    this.#target = target;
    this.#random = new Random(seed);
    this.#first = [...target.seeds, ...kept].map((input) => Buffer.from(input));
    this.#corpus = [...this.#first];
  }

  /** Tries one input; false when nothing more is to be found. */
  async step(place: (input: Buffer) => void): Promise<boolean> {
    const input = this.#next();
    place(input);
    const copy = Uint8Array.from(input);
    const before = process.threadCpuUsage();
    try {
      const came = await this.#target.check(input);
      const { user, system } = process.threadCpuUsage(before);
      if (user + system > MAX_CPU_US) throw new Error(`it takes ${(user + system) / 1000} ms of a processor`);
      if (!this.#outcomes.has(came) && this.#corpus.length < MAX_CORPUS) this.#corpus.push(Buffer.from(copy));
      this.#outcomes.add(came);
    } catch (error) {
      this.#failure = {
        input: copy,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    }
    this.#inputs += 1;
    return this.#failure === undefined;
  }

  result(name: string): TargetResult {
    const found = this.#failure === undefined ? {} : { failure: this.#failure };
    return { name, inputs: this.#inputs, outcomes: this.#outcomes.size, ...found };
  }

  #next(): Buffer {
    const first = this.#first[this.#inputs];
    if (first !== undefined) return Buffer.from(first);
    const { generate } = this.#target;
    if (generate !== undefined && this.#random.next(3) === 0) return Buffer.from(generate(this.#random));
    return mutate(this.#random, this.#random.pick(this.#corpus), this.#random.pick(this.#corpus));
  }
}

async function main({ targets, seed, milliseconds, shared }: WorkerInput): Promise<readonly TargetResult[]> {
  const place = new Place(shared);
  const courses = targets.map(({ name, kept }, index) => {
    const target = TARGETS[name];
    if (target === undefined) throw new Error(`no fuzz target ${name}`);
    return { name, index, course: new Course(target, seed, kept), goes: true };
  });
  const end = performance.now() + milliseconds;
  while (performance.now() < end && courses.some(({ goes }) => goes)) {
    for (const each of courses) {
      const turn = performance.now() + TURN_MS;
      while (each.goes && performance.now() < turn)
        each.goes = await each.course.step((input) => place.set(each.index, input));
    }
  }
  return courses.map(({ name, course }) => course.result(name));
}

// eslint-disable-next-line require-post-message-target-origin -- a thread, not a window
if (parentPort !== null) parentPort.postMessage(await main(workerData as WorkerInput));
