import type { Target } from './target.ts';
import { BYTE_TARGETS } from './targets/bytes.ts';
import { JSON_TARGETS } from './targets/json.ts';
import { TEXT_TARGETS } from './targets/texts.ts';

/** Every parser of what comes over a wire or stands in an image. */
export const TARGETS: Readonly<Record<string, Target>> = {
  ...TEXT_TARGETS,
  ...JSON_TARGETS,
  ...BYTE_TARGETS,
};
