import { setTimeout as sleep } from 'node:timers/promises';
import type { CriImage } from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import type { ImageNames } from './image-names.ts';

/** Pauses between two looks: short at first, for most images are there at once. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;
/** containerd hands an event on when it comes to it; one that was lost is told again. */
const REMIND_MS = 2000;
/** containerd's CRI gives one event at most ten seconds (`internal/cri/server/events`). */
const LIMIT_MS = 30_000;

export interface ShownDeps {
  readonly status: (image: string) => Promise<CriImage | undefined>;
  /** Makes containerd tell its CRI plugin of the image once more. */
  readonly remind: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Waits until CRI shows an image under all its names: it learns of images that others bring in by events, and a container of one that
 * it does not know yet cannot be created.
 *
 * @returns the id that CRI shows.
 * @throws StatusError Unavailable when CRI does not show it within half a minute; what asking raises.
 */
export async function shown(names: ImageNames, { status, remind, signal }: ShownDeps): Promise<string> {
  const start = performance.now();
  let reminded = start;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const image = await status(names.asked);
    if (image !== undefined && hasNames(image, names)) return image.id;
    const now = performance.now();
    if (now - start > LIMIT_MS) {
      throw new StatusError(
        'Unavailable',
        `image ${names.asked} is in containerd, but its CRI plugin has not shown it for ${LIMIT_MS / 1000} s: see the log of containerd`,
      );
    }
    if (now - reminded > REMIND_MS) {
      await remind();
      reminded = now;
    }
    await sleep(pause, undefined, { signal });
  }
}

/** Whether an image of CRI is known by its names; its id is no name in there. */
export function hasNames({ repo_tags, repo_digests }: CriImage, { tag, digest }: ImageNames): boolean {
  return repo_digests.includes(digest) && (tag === undefined || repo_tags.includes(tag));
}
