import assert from 'node:assert/strict';
import { StatusError } from '../../src/errors.ts';

/** A parser of what others wrote, and what must hold for any bytes. */
export interface Target {
  /** Legal inputs that are changed at random. */
  readonly seeds: readonly (string | Uint8Array)[];
  /** Makes an input of the right shape; numbers come from `random`, so that a seed repeats it. */
  readonly generate?: (random: Random) => Uint8Array | string;
  /**
   * Feeds the parser and checks what it gives.
   *
   * @returns in a few words what came of it: an input with words that did not come before is changed further.
   * @throws whatever the parser may not throw, and what does not hold.
   */
  readonly check: (bytes: Buffer) => string | Promise<string>;
}

/** A sequence of numbers that a seed decides (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to, and without, `below`. */
  next(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.next(items.length)] as T;
  }

  list<T>(most: number, item: () => T): readonly T[] {
    return Array.from({ length: this.next(most + 1) }, item);
  }
}

/** What a parser says of an input: what it gives, in a few words, or its refusal. Anything else that it throws is a finding. */
export async function outcome(
  parse: () => unknown,
  refuses: (error: unknown) => boolean = (error) => error instanceof StatusError,
): Promise<string> {
  try {
    return shape(await parse());
  } catch (error) {
    if (!refuses(error)) throw error;
    assert.ok(error instanceof Error);
    assert.ok(error.message.length < 10_000, `a message of ${error.message.length} characters`);
    return error.message.replaceAll(/"(?:[^"\\]|\\.)*"|\[.*|\d+/gs, '#').slice(0, 100);
  }
}

/** The members of a value without their texts. */
function shape(value: unknown, depth = 3): string {
  if (value instanceof Map) return shape(Object.fromEntries([...value].slice(0, 5)), depth);
  if (Array.isArray(value))
    return `[${value
      .slice(0, 3)
      .map((item) => shape(item, depth - 1))
      .join()}]`;
  if (typeof value !== 'object' || value === null || depth === 0) return typeof value;
  const members = Object.entries(value).slice(0, 12);
  return `{${members.map(([name, member]) => `${name}:${shape(member, depth - 1)}`).join()}}`.slice(0, 300);
}
