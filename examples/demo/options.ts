import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';

export interface DemoOptions {
  /** Leave the node running. */
  readonly keep: boolean;
  /** Show a Deployment on a one-node Kubernetes. */
  readonly kubernetes: boolean;
}

/** The demo's options; a text when there is only something to say: what is wrong with them. */
export function parseOptions(args: readonly string[]): DemoOptions | string {
  try {
    const flag = { type: 'boolean', default: false } as const;
    return parseArgs({ args: [...args], options: { keep: flag, kubernetes: flag } }).values;
  } catch (error) {
    return `${messageOf(error)}; usage: npm run demo [-- --kubernetes] [--keep]`;
  }
}
