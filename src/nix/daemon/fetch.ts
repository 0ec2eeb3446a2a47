import type { StorePath } from '../../closure/store-path.ts';
import { StatusError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { realiseFailure } from '../failure.ts';
import { mayBeOutdated } from '../failure-cause.ts';
import type { Inquiry } from '../inquiry.ts';
import { LEVEL, type LogLine } from '../log-line.ts';
import { FORGET_HITS } from '../nix-options.ts';
import { RealiseLog } from '../realise-log.ts';
import type { RealiseOptions } from '../store.ts';
import { waitFor } from '../wait-for.ts';
import { type DaemonConnection, DaemonError, LONG, type RunOptions } from './connection.ts';
import { explainFailure } from './explain-failure.ts';
import { InFlight, independentOf, type RunningFetch } from './in-flight.ts';
import {
  buildPaths,
  type ClientSettings,
  queryMissing,
  querySubstitutablePathInfos,
  queryValidPaths,
  setOptions,
} from './operations.ts';
import { rootOutputs } from './root-outputs.ts';

export interface FetchDeps {
  /** Hands over a connection that was opened for this, if there is one. */
  readonly spare: () => DaemonConnection | undefined;
  readonly connect: (run: RunOptions) => Promise<DaemonConnection>;
  /** Ends a connection; nobody waits for that. */
  readonly end: (connection: DaemonConnection) => void;
  /** Told that a fetch has its connection. */
  readonly opened: () => void;
  /** See `keep-realised.ts`. */
  readonly spareRoot: (root: string, signal: AbortSignal | undefined) => Promise<void>;
  readonly settings: ClientSettings['settings'];
  readonly inquiry: Pick<Inquiry, 'factsOf'>;
  readonly log: Log;
}

/**
 * What the next try does away with. A collector that never rests can take a reference in the middle of a fetch: seen once in
 * 3,000. And Nix 2.8 fails when two of its processes are the first to ask one cache: the second one's note of an answer refers
 * to a row that the first has replaced.
 */
const PASSING = /\berror: path '[^']*' is not valid|executing SQLite statement.*binary-cache-v\d+\.sqlite/;
const TRIES = 3;
/** A path may have been signed or pushed again since Nix read its description. */
const AS_IT_IS_NOW: ClientSettings['settings'] = new Map(Object.entries(FORGET_HITS));

interface Work {
  readonly outputs: readonly StorePath[];
  readonly earlier: readonly RunningFetch[];
  readonly root: string;
  readonly options: RealiseOptions;
}

/** How often is tried, and what besides the usual settings is said to Nix. */
interface Tries {
  readonly left: number;
  readonly settings: ClientSettings['settings'];
  /** Substituters that earlier tries have asked: a Nix that remembers misses does not ask them again. */
  readonly asked: readonly string[];
}

/**
 * Substitutes what is missing and roots it; each path is fetched once, however many closures have it. Each fetch has a
 * connection of its own, which ends with it: Nix holds temporary roots and remembers dead substituters as long as a connection
 * lives.
 */
export class Fetcher {
  readonly #deps: FetchDeps;
  readonly #inFlight = new InFlight();
  #warned = false;

  constructor(deps: FetchDeps) {
    this.#deps = deps;
  }

  /** @throws StatusError what {@link NixStore.realise} raises. */
  async fetch(outputs: readonly StorePath[], root: string, options: RealiseOptions): Promise<void> {
    using own = this.#inFlight.begin(outputs);
    const work = { outputs, earlier: own.earlier, root, options };
    const spare = this.#deps.spare();
    const log = new RealiseLog(options);
    if (spare !== undefined) {
      try {
        await this.#attempt(spare, work, log);
        return;
      } catch (error) {
        // A spare one knows neither what nix.conf says now nor which substituter came back.
        if (options.signal?.aborted === true) throw error;
      }
    }
    const asked = log.record().substituters;
    await this.#fetchAnew(work, { left: TRIES, settings: new Map(), asked });
  }

  async #fetchAnew(work: Work, tries: Tries): Promise<void> {
    const { outputs, options } = work;
    const log = new RealiseLog(options);
    try {
      await this.#attempt(await this.#deps.connect(runOptions(options)), work, log, tries.settings);
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      const asked = [...new Set([...tries.asked, ...log.record().substituters])];
      if (tries.left > 1 && PASSING.test(error.message)) {
        await this.#fetchAnew(work, { ...tries, left: tries.left - 1, asked });
        return;
      }
      log.take({ kind: 'message', level: LEVEL.error, text: error.message });
      if (tries.settings !== AS_IT_IS_NOW && mayBeOutdated(log.record().messages)) {
        await this.#fetchAnew(work, { ...tries, settings: AS_IT_IS_NOW, asked });
        return;
      }
      const { signal } = options;
      const said = { ...log.record(), substituters: asked };
      const record = await explainFailure(outputs, said, { ...this.#deps, signal });
      const facts = await this.#deps.inquiry.factsOf(record, signal);
      throw realiseFailure(outputs, 'refused by daemon', record, facts);
    }
  }

  async #attempt(
    connection: DaemonConnection,
    work: Work,
    log: RealiseLog,
    further: ClientSettings['settings'] = new Map(),
  ): Promise<void> {
    const { outputs, root, options } = work;
    const run = runOptions(options, (line) => {
      if (log.take(line)) options.onProgress?.(log.progress());
    });
    this.#deps.opened();
    try {
      this.#warnUnlessTrusted(connection);
      const settings = new Map([...this.#deps.settings, ...further]);
      await connection.ask(setOptions({ verbosity: LEVEL.info, settings }), run);
      await substitute(connection, work, run);
      await rootOutputs(connection, outputs, root, run);
      await this.#deps.spareRoot(root, options.signal);
    } finally {
      this.#deps.end(connection);
    }
  }

  #warnUnlessTrusted({ peer }: DaemonConnection): void {
    if (peer.trusted !== false || this.#warned) return;
    this.#warned = true;
    this.#deps.log.warn(
      { settings: [...this.#deps.settings.keys()] },
      'the Nix daemon does not trust this user, so that it may ignore our settings: add the user to trusted-users in nix.conf',
    );
  }
}

function runOptions({ signal }: RealiseOptions, onLog?: (line: LogLine) => void): RunOptions {
  return { signal, limits: LONG, ...(onLog === undefined ? {} : { onLog }) };
}

/** How often is looked whether others have fetched what is shared: they may have much else to fetch. */
const LOOK_MS = 500;

/** Fetches what no earlier fetch does, waits until the others have fetched the rest, and sees that all of it is there. */
async function substitute(
  connection: DaemonConnection,
  { outputs, earlier }: Work,
  run: RunOptions,
): Promise<void> {
  // Also without others: it asks about all paths at the same time, BuildPaths about one after the other. Ours come last: what
  // becomes valid between two answers is nobody's then.
  const asked = [...earlier.map((fetch) => fetch.outputs), outputs];
  const missing = (await connection.run(asked.map(queryMissing), run)).map((each) => each.substitutable);
  const own = new Set(missing.at(-1));
  const shared = earlier.map((_, at) => (missing[at] ?? []).filter((path) => own.has(path)));
  const theirs = new Set(shared.flat());
  if (theirs.size > 0) {
    const infos = await connection.ask(querySubstitutablePathInfos([...own]), run);
    const references = new Map([...infos].map(([path, info]) => [path, info.references]));
    const mine = [...own].filter((path) => !theirs.has(path));
    const independent = independentOf(theirs, mine, references);
    if (independent.length > 0) await connection.ask(buildPaths(independent), run);
    const overlapping = earlier.filter((_, at) => shared[at]?.length !== 0);
    const ended = Promise.all(overlapping.map((each) => each.ended)).then(() => {});
    while (!(await endsWithin(LOOK_MS, ended, outputs, run)))
      if ((await connection.ask(queryValidPaths([...theirs]), run)).length === theirs.size) break;
  }
  await connection.ask(buildPaths(outputs), run);
}

async function endsWithin(
  deadlineMs: number,
  work: Promise<void>,
  outputs: readonly StorePath[],
  { signal }: RunOptions,
): Promise<boolean> {
  try {
    await waitFor(
      work,
      { signal, deadlineMs },
      () => `realise ${outputs[0] ?? ''}: waiting for paths of others`,
    );
    return true;
  } catch (error) {
    if (error instanceof StatusError && error.code === 'DeadlineExceeded') return false;
    throw error;
  }
}
