import { type LayerClosure, namedPaths } from '../closure/annotations.ts';
import type { StorePath } from '../closure/store-path.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CacheLookup } from '../nix/cache-lookup.ts';
import { isDerivation } from '../nix/keep-realised.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import type { RealiseCall } from '../nix/realise-queue.ts';
import type { NixStore } from '../nix/store.ts';
import { type SharedDeadline, sharedDeadline } from '../nix/wait-for.ts';
import type { AdmittingQueue } from '../policy/gated-queue.ts';
import type { PolicyGate } from '../policy/gate.ts';
import type { Door, Subject } from '../policy/subject.ts';
import type { Asking, JudgedLease, RealiseImage } from './asking.ts';
import type { BuiltPaths } from './built-paths.ts';
import { ImageCache } from './image-cache.ts';
import { judgedImage } from './judged-image.ts';
import { openImage } from './open-image.ts';
import { PathsByHash } from './paths-by-hash.ts';
import { PulledRoots } from './pulled-roots.ts';
import type { Wanted } from './reference.ts';
import type { ServedImage } from './served-image.ts';

export interface ResolverOptions {
  /** How long a pull waits for Nix, in milliseconds; the work goes on. */
  readonly deadlineMs: number;
}

export interface ResolverDeps {
  readonly nix: Pick<NixStore, 'realStoreDir' | 'closure' | 'valid'>;
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  readonly lookup: Pick<CacheLookup, 'find'>;
  /** Disposed of with the resolver. */
  readonly built: Pick<BuiltPaths, 'outputOf' | 'outputOfFlake' | 'inFlight'> & AsyncDisposable;
  readonly queue: Pick<AdmittingQueue, 'realiseForLater'>;
  /** Undefined where everything is let in. */
  readonly gate: PolicyGate | undefined;
  readonly roots: Pick<PulledRoots, 'link' | 'noteUse'>;
  /** Whether a GC root of a snapshot keeps a closure. */
  readonly isInUse: (closure: LayerClosure) => Promise<boolean>;
  readonly log: Log;
}

/** Requests of one pull come within seconds of each other. */
const KEPT_MS = 60_000;

/** Finds the image that a store path is, and realises it with everything that it names. */
export class Resolver implements AsyncDisposable {
  readonly #deadlineMs: number;
  readonly #deps: ResolverDeps;
  readonly #images: ImageCache;
  readonly #hashes: PathsByHash;

  constructor(options: ResolverOptions, deps: ResolverDeps) {
    this.#deadlineMs = options.deadlineMs;
    this.#deps = deps;
    this.#images = new ImageCache({ idleMs: KEPT_MS }, deps);
    this.#hashes = new PathsByHash(deps);
  }

  /**
   * The image of a reference; all its store paths are valid, and rooted until a snapshot of the same closure takes over or the
   * grace period has passed. Dispose of the result.
   *
   * @throws StatusError what realising raises, or reading the image does; what the policy refuses.
   */
  async resolve(wanted: Wanted, signal: AbortSignal, asking: Asking = {}): Promise<JudgedLease> {
    const remaining = this.#remaining(signal, asking);
    const lease = await this.resolveNeeded(wanted, signal, asking);
    const { judged: image } = lease;
    const { closures, held = [] } = lease.image;
    try {
      const also = closures.flatMap(namedPaths);
      await this.realise(held, signal, { ...asking, image, also, deadlineMs: remaining().deadlineMs });
      for (const closure of held) this.#deps.gate?.remember(namedPaths(closure), image);
    } catch (error) {
      if (signal.aborted || isUnfinished(error)) {
        lease[Symbol.dispose]();
        throw error;
      }
      this.#deps.log.info({ error: messageOf(error) }, 'layers that hold store paths are left to the client');
    }
    return lease;
  }

  /** {@link resolve} for a client that unpacks the layers which hold their store paths, whatever this host has. */
  async resolveNeeded(wanted: Wanted, signal: AbortSignal, asking: Asking = {}): Promise<JudgedLease> {
    const { door = 'resolver' } = asking;
    const remaining = this.#remaining(signal, asking);
    const { path, judged: image } = await this.#pathOf(wanted, door, remaining);
    await this.#realise([path], { door, image }, remaining());
    const subject: Subject = { door, image, also: [path] };
    const lease = await this.#images.use(path, (unwanted) => this.#open(path, subject, unwanted), signal);
    try {
      // The closure of a path that is run as it is came with the path.
      const further = lease.image.closures.filter((closure) => !namedPaths(closure).includes(path));
      await this.realise(further, signal, { door, image, also: [path], deadlineMs: remaining().deadlineMs });
      const { inputs = [] } = lease.image;
      if (inputs.length > 0) await this.#realise(inputs, subject, remaining());
      for (const closure of lease.image.closures) this.#deps.gate?.remember(namedPaths(closure), image);
      return { image: lease.image, judged: image, [Symbol.dispose]: () => lease[Symbol.dispose]() };
    } catch (error) {
      lease[Symbol.dispose]();
      throw error;
    }
  }

  /** Makes what layers of one image name valid, and roots it as {@link resolve} does. */
  async realise(
    closures: readonly LayerClosure[],
    signal: AbortSignal,
    { deadlineMs = this.#deadlineMs, door = 'resolver', image, also = [] }: RealiseImage,
  ): Promise<void> {
    const remaining = sharedDeadline(signal, deadlineMs);
    const subject: Subject = { door, image, also: [...also, ...closures.flatMap(namedPaths)] };
    for (const closure of closures) await this.#realise(namedPaths(closure), subject, remaining());
  }

  /**
   * Asks whether the policy lets in what is there already.
   *
   * @param paths that its layers name.
   * @param subject for whom.
   * @throws StatusError as {@link PolicyGate.enter}.
   */
  async judge(paths: readonly StorePath[], subject: Subject, signal: AbortSignal): Promise<void> {
    const { gate } = this.#deps;
    if (gate === undefined || paths.length === 0) return;
    const admission = await gate.enter(paths, subject, { signal, deadlineMs: this.#deadlineMs });
    admission[Symbol.dispose]();
  }

  /**
   * Whether a root of what was pulled is needed on: an image whose layers are in use is pulled again whether or not a cache has it.
   * If so, the time is noted on it.
   */
  async isNeeded(root: string): Promise<boolean> {
    const { nix, roots, isInUse } = this.#deps;
    const path = PulledRoots.pathOf(root);
    if (path === undefined || !(await nix.valid([path])).has(path)) return false;
    const subject: Subject = { door: 'resolver', also: [path] };
    const signal = AbortSignal.timeout(this.#deadlineMs);
    using lease = await this.#images.use(path, (unwanted) => this.#open(path, subject, unwanted), signal);
    const { closures, held = [], inputs = [] } = lease.image;
    for (const closure of [...closures, ...held]) {
      // A path that is run as it is has the root of its snapshot.
      if (namedPaths(closure).includes(path) || !(await isInUse(closure))) continue;
      await roots.noteUse(root);
      if (inputs.length > 0) await this.#realise(inputs, subject, { signal });
      return true;
    }
    return false;
  }

  /** The builds that go on; what is realised is in the queue. */
  inFlight(): readonly RealiseInFlight[] {
    return this.#deps.built.inFlight();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hashes[Symbol.asyncDispose]();
    await this.#deps.built[Symbol.asyncDispose]();
    await this.#images[Symbol.asyncDispose]();
  }

  #remaining(signal: AbortSignal, { deadlineMs = this.#deadlineMs }: Asking): SharedDeadline {
    return sharedDeadline(signal, Math.min(deadlineMs, this.#deadlineMs));
  }

  async #realise(paths: readonly StorePath[], subject: Subject, call: RealiseCall): Promise<void> {
    const { queue, roots } = this.#deps;
    await queue.realiseForLater(paths, roots.link(paths), { ...call, subject });
  }

  /** @param subject of the first who asks; each who does is judged by what the image turns out to need. */
  async #open(path: StorePath, subject: Subject, unwanted: AbortSignal): Promise<ServedImage> {
    const { nix, closures } = this.#deps;
    const realise = (paths: readonly StorePath[]): Promise<void> =>
      this.#realise(paths, subject, { signal: unwanted, deadlineMs: this.#deadlineMs });
    return await openImage(path, { nix, closures, realise, signal: unwanted });
  }

  /** The path that is wanted, and what rules call the image; they are asked before anything is evaluated or built for it. */
  async #pathOf(
    wanted: Wanted,
    door: Door,
    remaining: SharedDeadline,
  ): Promise<{ readonly path: StorePath; readonly judged: string }> {
    const { built, gate } = this.#deps;
    const named =
      wanted.kind === 'hash'
        ? ({ kind: 'path', path: await this.#hashes.find(wanted.hash, remaining) } as const)
        : wanted;
    const judged = judgedImage(named);
    gate?.checkReference(judged, door);
    const judge = async (output: StorePath): Promise<void> =>
      await this.judge([output], { door, image: judged }, remaining().signal);
    const path =
      named.kind === 'path'
        ? await this.#outputOf(named.path, remaining, judge)
        : await built.outputOfFlake(named.flake, remaining, judge);
    return { path, judged };
  }

  /** A path as it is; of a derivation file what it builds. */
  async #outputOf(
    path: StorePath,
    remaining: SharedDeadline,
    judge: (output: StorePath) => Promise<void>,
  ): Promise<StorePath> {
    return isDerivation(path) ? await this.#deps.built.outputOf(path, remaining(), judge) : path;
  }
}

function isUnfinished(error: unknown): boolean {
  return error instanceof StatusError && error.code === 'DeadlineExceeded';
}
