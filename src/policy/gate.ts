import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { bytesOf, type Measure, type Measures, sum } from '../nix/measure.ts';
import { closureKey } from '../nix/realise-job.ts';
import type { RealiseCall } from '../nix/realise-queue.ts';
import { SharedWork } from '../nix/shared-work.ts';
import { waitFor } from '../nix/wait-for.ts';
import type { NodeUsage } from './node-usage.ts';
import type { PolicyOptions } from './options.ts';
import {
  deniedByRule,
  diskTooFull,
  imageTooLarge,
  nodeFull,
  type PolicyRefusal,
  type RefusedBy,
} from './refusal.ts';
import { evaluate, type Facts, type Verdict } from './rules.ts';
import type { Door, Subject } from './subject.ts';

export interface PolicyGateDeps {
  readonly store: Measures;
  readonly usage: Pick<NodeUsage, 'sizes'>;
  /** The file system that the store lies on. */
  readonly disk: {
    readonly storeDir: () => Promise<string>;
    /** What this user may still write, in bytes. */
    readonly free: () => Promise<number>;
    /** Whether something lies where the path would. */
    readonly has: (path: StorePath) => Promise<boolean>;
  };
  /** Gives up roots that are kept for later use only; says how many. */
  readonly release: () => Promise<number>;
  /** Told of each refusal. */
  readonly observe?: ((refusal: PolicyRefusal) => void) | undefined;
  readonly log: Log;
}

/** Leave to realise; it is given back when the realise has ended. */
export interface Admission extends Disposable {
  /**
   * To be called when the paths are valid: judges them again where not all was known before.
   *
   * @throws StatusError as {@link PolicyGate.enter}.
   */
  readonly confirm: (call: RealiseCall) => Promise<void>;
}

const ADMITTED: Admission = { confirm: async () => {}, [Symbol.dispose]() {} };
/** Closures that are measured at a time; each may be a process of Nix. */
const MEASURES = 4;
/** How many closures may wait for that; a client can ask for any number of them. */
const MAX_WAITING = 1000;
/** Requests of one pull come within seconds of each other. What is valid and rooted does not change. */
const MEASURED = { maxPaths: 50_000, ttl: 60_000 };
/** Between a pull through the resolver or CRI and the unpacking of what it named. */
const REMEMBERED = { max: 10_000, ttl: 3_600_000 };

/** Who asked waits no longer. */
const GIVEN_UP: ReadonlySet<string> = new Set(['Cancelled', 'DeadlineExceeded']);
/** Where Nix does not answer: the realise says in full why, and what it brings all the same is judged then. */
const NOTHING_KNOWN: Measure = { present: new Map(), absent: new Map(), complete: false };

interface Asked {
  readonly paths: readonly StorePath[];
  readonly all: readonly StorePath[];
  readonly image: Facts['image'];
  readonly door: Door;
}

/**
 * Decides what may be realised: one for all doors. Judges what is named before Nix is asked anything, what it takes before it is
 * fetched, and what could not be told before as soon as it is there.
 */
export class PolicyGate implements AsyncDisposable {
  readonly #options: PolicyOptions;
  readonly #deps: PolicyGateDeps;
  readonly #measures: SharedWork<Measure>;
  readonly #measured = new LRUCache<string, Measure>({
    ttl: MEASURED.ttl,
    maxSize: MEASURED.maxPaths,
    sizeCalculation: ({ present }) => present.size + 1,
  });
  /** The image that a closure was last let in for. */
  readonly #images = new LRUCache<string, string>(REMEMBERED);
  /** Two that ask for the last room at once must not both have it. */
  readonly #oneByOne = pLimit(1);
  /** What is being realised, and is neither on the disk nor rooted yet. */
  readonly #inFlight = new Set<Measure>();

  constructor(options: PolicyOptions, deps: PolicyGateDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#measures = new SharedWork({ concurrency: MEASURES }, async (key, signal) => {
      return await deps.store.measure(key.split('\n') as StorePath[], { signal });
    });
  }

  /**
   * Asks for leave to realise `paths` and all that they need.
   *
   * @throws StatusError PermissionDenied naming the rule, ResourceExhausted naming the limit; DeadlineExceeded or Cancelled when
   *   the caller stops waiting.
   */
  async enter(paths: readonly StorePath[], subject: Subject, call: RealiseCall): Promise<Admission> {
    if (subject.admitted === true) return ADMITTED;
    const all = [...new Set([...paths, ...(subject.also ?? [])])].toSorted();
    const { door = 'snapshots' } = subject;
    const asked: Asked = { paths, all, image: this.#imageOf(paths, subject), door };
    const decided = this.#judge(asked, { paths: all, bytes: 0, complete: false });
    if (decided && !this.#hasLimits()) return this.#admit(asked, ADMITTED);
    const until = performance.now() + (call.deadlineMs ?? 0);
    const measure = await this.#measure(all, call);
    this.#judgeMeasure(asked, measure);
    const left = call.deadlineMs === undefined ? {} : { deadlineMs: Math.max(0, until - performance.now()) };
    const room = await this.#takeRoom(asked, measure, { ...call, ...left });
    return this.#admit(asked, {
      confirm: async (later) => {
        if (!isThere(measure)) await this.#confirm(asked, measure, later);
      },
      [Symbol.dispose]: () => void this.#inFlight.delete(room),
    });
  }

  /** What only a reference decides, before anything is looked up for it: throws as {@link enter}. */
  checkReference(image: string, door: Door): void {
    this.#judge(
      { paths: [], all: [], image: { reference: image }, door },
      { paths: [], bytes: 0, complete: false },
    );
  }

  /** Takes the image's paths for let in under its name: Prepare of a layer that names them may not be told it. */
  remember(paths: readonly StorePath[], image: string): void {
    this.#images.set(hashed(paths), image);
  }

  /** Ends what is being measured. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#measures.close();
  }

  #imageOf(paths: readonly StorePath[], { image, claimed }: Subject): Facts['image'] {
    const { unknownImage } = this.#options;
    const known =
      image ?? (unknownImage === 'label' ? claimed : undefined) ?? this.#images.get(hashed(paths));
    if (known !== undefined) return { reference: known };
    return unknownImage === 'skip' ? 'skipped' : 'unknown';
  }

  #admit(asked: Asked, admission: Admission): Admission {
    if (typeof asked.image !== 'string') this.remember(asked.paths, asked.image.reference);
    return admission;
  }

  #hasLimits(): boolean {
    const { maxImageBytes, maxNodeBytes, minFreeBytes } = this.#options;
    return [maxImageBytes, maxNodeBytes, minFreeBytes].some((limit) => limit !== undefined);
  }

  async #measure(paths: readonly StorePath[], call: RealiseCall): Promise<Measure> {
    const key = closureKey(paths);
    const known = this.#measured.get(key);
    if (known !== undefined) return known;
    if (this.#measures.inFlight().length >= MAX_WAITING) {
      throw new StatusError(
        'ResourceExhausted',
        `${paths[0] ?? '(no path)'}: ${MAX_WAITING} other closures wait for their sizes to be asked; pull again later`,
      );
    }
    const what = `measure the closure of ${paths[0] ?? '(no path)'}`;
    try {
      const measure = await this.#measures.do(key, call, what);
      if (isThere(measure)) this.#measured.set(key, measure);
      return measure;
    } catch (error) {
      if (!(error instanceof StatusError) || GIVEN_UP.has(error.code)) throw error;
      this.#deps.log.debug({ path: paths[0], error: error.message }, 'a closure cannot be measured');
      return NOTHING_KNOWN;
    }
  }

  /** The measure of what is valid now; one that began before may not know it. */
  async #measureThere(paths: readonly StorePath[], call: RealiseCall): Promise<Measure> {
    const work = this.#deps.store.measure(paths, { local: true, signal: call.signal });
    return await waitFor(work, call, () => `measure the closure of ${paths[0] ?? '(no path)'}`);
  }

  /** Judges again what is valid now. */
  async #confirm(asked: Asked, before: Measure, call: RealiseCall): Promise<void> {
    const measure = await this.#measureThere(asked.all, call);
    // Further layers of the image may be still to come, and are judged with these then.
    if (!measure.complete && !(await this.#measureThere(asked.paths, call)).complete) {
      throw new StatusError(
        'Unavailable',
        `${asked.paths[0] ?? '(no path)'}: what the policy is to judge is not whole any more; pull again`,
      );
    }
    this.#judgeMeasure(asked, measure);
    if (!before.complete) await this.#checkRoom(asked, measure);
  }

  #judgeMeasure(asked: Asked, measure: Measure): void {
    const { present, absent, complete } = measure;
    const paths = [...new Set([...asked.all, ...present.keys(), ...absent.keys()])];
    this.#judge(asked, { paths, bytes: bytesOf(measure), complete });
    const { maxImageBytes: limit } = this.#options;
    const bytes = bytesOf(measure);
    if (limit !== undefined && bytes > limit)
      this.#refuse('max_image_bytes', imageTooLarge(refused(asked), { limit, bytes }), asked);
  }

  /** Whether the rules allow it for certain; throws where they deny. */
  #judge(asked: Asked, known: Omit<Facts, 'image'>): boolean {
    const facts: Facts = { ...known, image: asked.image };
    const verdict: Verdict = evaluate(this.#options.rules, this.#options.default, facts);
    if (verdict.kind === 'deny') {
      const { match } = verdict;
      const by = match === undefined ? 'default' : 'rule';
      this.#refuse(by, deniedByRule(refused(asked), match, facts), asked);
    }
    return verdict.kind === 'allow';
  }

  /** What it takes, among what is being realised; a caller that waits no longer takes nothing. */
  async #takeRoom(asked: Asked, measure: Measure, call: RealiseCall): Promise<Measure> {
    const room = { ...measure };
    let isGone = false;
    const taking = this.#oneByOne(async () => {
      if (isGone) return;
      await this.#checkRoom(asked, measure);
      if (!isGone) this.#inFlight.add(room);
    });
    try {
      await waitFor(taking, call, () => `${asked.paths[0] ?? '(no path)'}: what is there is not counted yet`);
    } catch (error) {
      isGone = true;
      this.#inFlight.delete(room);
      throw error;
    }
    return room;
  }

  async #checkRoom(asked: Asked, measure: Measure): Promise<void> {
    const { maxNodeBytes, minFreeBytes } = this.#options;
    if (maxNodeBytes !== undefined) await this.#checkNode(asked, measure, maxNodeBytes);
    if (minFreeBytes !== undefined) await this.#checkDisk(asked, measure, minFreeBytes);
  }

  async #checkNode(asked: Asked, measure: Measure, limit: number): Promise<void> {
    const own = [...measure.present, ...measure.absent];
    const others = [...this.#inFlight].flatMap(({ present, absent }) => [...present, ...absent]);
    const { usage, release } = this.#deps;
    for (let isLast = false; ; isLast = true) {
      const rooted = await usage.sizes();
      if (own.every(([path]) => rooted.has(path))) return;
      const bytes = sum(new Map([...rooted, ...others, ...own]));
      if (bytes <= limit) return;
      if (isLast || (await release()) === 0)
        this.#refuse('max_node_bytes', nodeFull(refused(asked), { limit, bytes }), asked);
    }
  }

  async #checkDisk(asked: Asked, measure: Measure, limit: number): Promise<void> {
    const { disk, release } = this.#deps;
    if (isThere(measure)) return;
    const free = await disk.free();
    const fetched = new Map([...this.#inFlight, measure].flatMap(({ absent }) => [...absent]));
    if (free - sum(fetched) >= limit) return;
    // What others fetch may have come already.
    for (const path of fetched.keys()) if (await disk.has(path)) fetched.delete(path);
    const bytes = (await disk.free()) - sum(fetched);
    if (bytes >= limit) return;
    // Their paths are on the disk until the next garbage collection, which the refusal asks for.
    await release();
    const error = diskTooFull(refused(asked), { limit, bytes }, await disk.storeDir());
    this.#refuse('min_free_bytes', error, asked);
  }

  #refuse(by: RefusedBy, error: StatusError, { paths, door }: Asked): never {
    const { log, observe } = this.#deps;
    log.warn({ path: paths[0], error: error.message }, 'refused by policy');
    observe?.({ by, door });
    throw error;
  }
}

/** Whether all of it is on this node, and known. */
function isThere({ complete, absent }: Measure): boolean {
  return complete && absent.size === 0;
}

function refused({ image, paths }: Asked) {
  return { image, path: paths[0] };
}

function hashed(paths: readonly StorePath[]): string {
  return createHash('sha256').update(closureKey(paths)).digest('base64');
}
