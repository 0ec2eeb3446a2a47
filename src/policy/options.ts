import type { Rule } from './rules.ts';

/** How images are judged whose reference a door is not told: see docs/policy.md. */
export type UnknownImage = 'refuse' | 'label' | 'skip';

/** The policy of a node; sizes in bytes. */
export interface PolicyOptions {
  readonly rules: readonly Rule[];
  /** What becomes of that which no rule matches. */
  readonly default: Rule['action'];
  readonly unknownImage: UnknownImage;
  /** NAR bytes of the store paths of one image. */
  readonly maxImageBytes?: number | undefined;
  /** NAR bytes of all store paths that this daemon keeps, each once. */
  readonly maxNodeBytes?: number | undefined;
  /** What stays free on the file system of the store. */
  readonly minFreeBytes?: number | undefined;
}
