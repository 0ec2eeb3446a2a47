import { STORE_DIR } from '../closure/store-path.ts';
import { mountsAtLimit } from '../host/mount-limit.ts';
import { formatPlatform } from '../image/platform.ts';
import type { CacheLookup } from '../nix/cache-lookup.ts';
import { withoutCredentials } from '../nix/substituter-answers.ts';
import { problemError } from '../problems/problem.ts';
import type { Asking } from './asking.ts';
import type { ImageLease } from './image-cache.ts';
import { nodePlatform, runsHere } from './node-platform.ts';
import type { Wanted } from './reference.ts';

export interface NodeImagesDeps {
  /** Finds the image of a reference: `Resolver`. */
  readonly resolver: {
    resolve(wanted: Wanted, signal: AbortSignal, asking?: Asking): Promise<ImageLease>;
  };
  readonly lookup: Pick<CacheLookup, 'configured'>;
}

/** A node with room for mounts is not looked at for every request of a pull: a look reads a line for each mount. */
const CHECKED_MS = 250;
/** How long nix.conf is waited for, which only makes an error's text better, in milliseconds. */
const PATIENCE_MS = 5000;

/**
 * Images that are pulled to be run on this node, and refused where they cannot be: here somebody reads why, while the failure of a
 * container only has containerd's or the kernel's words.
 */
export class NodeImages {
  readonly #deps: NodeImagesDeps;
  #checkedAt = -Infinity;

  constructor(deps: NodeImagesDeps) {
    this.#deps = deps;
  }

  /**
   * As `Resolver.resolve`.
   *
   * @throws StatusError FailedPrecondition for an image of another architecture; ResourceExhausted where no mount is left.
   */
  async resolve(wanted: Wanted, signal: AbortSignal, asking?: Asking): Promise<ImageLease> {
    const lease = await this.#deps.resolver.resolve(wanted, signal, asking);
    try {
      await this.#check(lease, nameOf(wanted), signal);
      return lease;
    } catch (error) {
      lease[Symbol.dispose]();
      throw error;
    }
  }

  async #check({ image: { platform: built } }: ImageLease, path: string, signal: AbortSignal): Promise<void> {
    if (built !== undefined && !runsHere(built)) {
      const cache = await this.#caches(signal);
      const node = formatPlatform(nodePlatform());
      throw problemError('wrong-architecture', { path, built: formatPlatform(built), node, cache });
    }
    if (performance.now() - this.#checkedAt < CHECKED_MS) return;
    const mounts = await mountsAtLimit();
    if (mounts !== undefined) throw problemError('mount-max', { path, mounts: String(mounts) });
    this.#checkedAt = performance.now();
  }

  async #caches(signal: AbortSignal): Promise<string> {
    const stop = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const configured = await this.#deps.lookup.configured(stop).catch(() => []);
    return configured.length === 0 ? 'a cache of this node' : configured.map(withoutCredentials).join(' or ');
  }
}

function nameOf(wanted: Wanted): string {
  switch (wanted.kind) {
    case 'path':
      return wanted.path;
    case 'hash':
      return `${STORE_DIR}/${wanted.hash}-…`;
    case 'flake':
      return wanted.flake;
    default:
      return wanted satisfies never;
  }
}
