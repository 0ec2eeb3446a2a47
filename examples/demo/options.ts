import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';

export interface DemoOptions {
  /** Leave the node running. */
  readonly keep: boolean;
}

/** The demo's options; a text when there is only something to say: what is wrong with them. */
export function parseOptions(args: readonly string[]): DemoOptions | string {
  try {
    return parseArgs({ args: [...args], options: { keep: { type: 'boolean', default: false } } }).values;
  } catch (error) {
    return `${messageOf(error)}; usage: npm run demo [-- --keep]`;
  }
}
