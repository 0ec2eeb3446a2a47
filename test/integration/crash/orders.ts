import type { Boundary } from '../../../src/snapshot/steps.ts';

/** Where the daemon under test reads what to do at its boundaries, and writes which it has crossed; inside the node. */
export const ORDERS = '/run/faults/orders.json';
export const CROSSED = '/run/faults/crossed';

/** A boundary as it is crossed for the first, second, … time since {@link CROSSED} was emptied. */
export interface Crossing {
  readonly line: string;
  readonly time: number;
}

export interface Orders {
  readonly kill?: Crossing;
  /** Wait there until it is told to go on, by SIGCONT. */
  readonly stop?: Crossing;
  readonly fail?: Crossing;
}

export function lineOf({ step, at }: Boundary): string {
  return `${at} ${step}`;
}
