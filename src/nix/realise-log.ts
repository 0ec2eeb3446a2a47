import { cleanText } from '../printable.ts';
import { ACTIVITY, LEVEL, type LogLine, parseLogLine, RESULT } from './log-line.ts';
import type { RealiseProgress, ReceivedListener } from './store.ts';

/** What is kept of a Nix run's messages to explain a failure; bounded whatever Nix prints. */
export interface RealiseRecord {
  /** Messages of level error and warning, oldest first; the last {@link KEPT_MESSAGES}. */
  readonly messages: readonly string[];
  /** The last lines that a builder printed; at most {@link KEPT_BUILDER_LINES}. */
  readonly builderLines: readonly string[];
  /** Every substituter that Nix asked, in the order of the first question. */
  readonly substituters: readonly string[];
  /** The paths that Nix said it does not know how to make. */
  readonly unknownPaths: readonly string[];
  /** HTTP status by address, where Nix reported it (only with debug verbosity). */
  readonly httpStatus: ReadonlyMap<string, number>;
  /** The store path that each archive was fetched for, by the archive's address. */
  readonly downloads: ReadonlyMap<string, string>;
}

const KEPT_MESSAGES = 20;
const KEPT_BUILDER_LINES = 10;
const KEPT_TEXT = 600;
const KEPT_SUBSTITUTERS = 50;
const KEPT_UNKNOWN_PATHS = 20;
const KEPT_STATUSES = 200;
const KEPT_DOWNLOADS = 50;
const TRACKED_ACTIVITIES = 10_000;

const UNKNOWN_PATHS_HEADING = "don't know how to build these paths";
const FINISHED_DOWNLOAD = /^finished download of '([^']*)'; curl status = \d+, HTTP status = (\d+)/;

/** What Nix asks a cache first. */
const CACHE_INFO = /^(.+)\/nix-cache-info$/;

interface Activity {
  readonly type: number;
  /** Of a path that is copied: where from. */
  readonly substituter: string | undefined;
  /** What is copied. */
  readonly path: string | undefined;
  done: number;
  expected: number;
  /** Bytes that all copies within this activity are going to have. */
  bytesExpected: number;
}

/** Nix tells how far a copy is when it has so many bytes more, and not when it ends (nix `src/libstore/store-api.cc`). */
const COPY_STEP = 64 * 1024;

/** Folds the log of a Nix process into its progress and into what explains a failure. */
export class RealiseLog {
  readonly #activities = new Map<number, Activity>();
  readonly #messages: string[] = [];
  readonly #builderLines: string[] = [];
  readonly #substituters = new Set<string>();
  readonly #unknownPaths: string[] = [];
  readonly #httpStatus = new Map<string, number>();
  /** The last ones. */
  readonly #downloads = new Map<string, string>();
  #listsUnknownPaths = false;
  readonly #onReceived: ReceivedListener | undefined;
  /** The substituter of the copy that ended last. */
  #receivedFrom: string | undefined;
  /** Of activities that have ended. */
  readonly #ended = { bytesDone: 0, bytesTotal: 0, pathsDone: 0, pathsTotal: 0 };

  constructor({ onReceived }: { readonly onReceived?: ReceivedListener | undefined } = {}) {
    this.#onReceived = onReceived;
  }

  /** Takes one line of stderr; true when the progress may have changed. */
  add(text: string): boolean {
    const line = parseLogLine(text);
    return line !== undefined && this.take(line);
  }

  /** As {@link add}, for a line that is parsed already. */
  take(line: LogLine): boolean {
    switch (line.kind) {
      case 'message':
        return this.#message(line);
      case 'start':
        return this.#start(line);
      case 'stop':
        return this.#stop(line.id);
      case 'result':
        return this.#result(line);
      default:
        return line satisfies never;
    }
  }

  progress(): RealiseProgress {
    let { bytesDone, bytesTotal, pathsDone, pathsTotal } = this.#ended;
    for (const { type, done, expected, bytesExpected } of this.#activities.values()) {
      bytesTotal += bytesExpected;
      if (type === ACTIVITY.copyPath) bytesDone += done;
      if (type !== ACTIVITY.copyPaths) continue;
      pathsDone += done;
      pathsTotal += expected;
    }
    // Nix says nothing of how far a small path is.
    if (pathsTotal > 0 && pathsDone === pathsTotal) bytesDone = Math.max(bytesDone, bytesTotal);
    bytesTotal = Math.max(bytesTotal, bytesDone);
    return { pathsDone, pathsTotal, bytesDone, bytesTotal, substituters: [...this.#substituters] };
  }

  record(): RealiseRecord {
    return {
      messages: [...this.#messages],
      builderLines: [...this.#builderLines],
      substituters: [...this.#substituters],
      unknownPaths: [...this.#unknownPaths],
      httpStatus: new Map(this.#httpStatus),
      downloads: new Map(this.#downloads),
    };
  }

  #message(line: LogLine & { kind: 'message' }): false {
    const text = line.text.slice(0, KEPT_TEXT);
    const download = FINISHED_DOWNLOAD.exec(text);
    if (download?.[1] !== undefined && this.#httpStatus.size < KEPT_STATUSES) {
      this.#httpStatus.set(download[1], Number(download[2]));
    }
    if (this.#listsUnknownPaths && text.startsWith('/') && this.#unknownPaths.length < KEPT_UNKNOWN_PATHS) {
      this.#unknownPaths.push(text);
      return false;
    }
    this.#listsUnknownPaths = text.startsWith(UNKNOWN_PATHS_HEADING);
    if (line.level > LEVEL.warning) return false;
    this.#messages.push(text);
    if (this.#messages.length > KEPT_MESSAGES) this.#messages.shift();
    return false;
  }

  #start(line: LogLine & { kind: 'start' }): boolean {
    const { type, fields } = line;
    if (type === ACTIVITY.queryPathInfo || type === ACTIVITY.substitute) return this.#ask(fields[1]);
    if (type === ACTIVITY.fileTransfer) return this.#transfer(line);
    if (this.#activities.size < TRACKED_ACTIVITIES) {
      const isCopy = type === ACTIVITY.copyPath;
      const [path, from] = isCopy ? fields : [];
      this.#activities.set(line.id, {
        type,
        path: typeof path === 'string' ? path : undefined,
        substituter: typeof from === 'string' ? from.slice(0, KEPT_TEXT) : undefined,
        done: 0,
        expected: 0,
        bytesExpected: 0,
      });
    }
    return false;
  }

  #ask(substituter: string | number | undefined): boolean {
    if (typeof substituter !== 'string' || this.#substituters.size >= KEPT_SUBSTITUTERS) return false;
    this.#substituters.add(substituter.slice(0, KEPT_TEXT));
    return true;
  }

  /** Tells which path an archive belongs to, and which cache is asked before it has said anything. */
  #transfer({ parent, fields: [url] }: LogLine & { kind: 'start' }): boolean {
    if (typeof url !== 'string') return false;
    const cache = CACHE_INFO.exec(url)?.[1];
    if (cache !== undefined) {
      const isKnown = [...this.#substituters].some((known) => known.startsWith(cache));
      return !isKnown && this.#ask(cache);
    }
    const path = this.#activities.get(parent)?.path;
    if (path === undefined) return false;
    this.#downloads.set(url, path);
    const [oldest] = this.#downloads.keys();
    if (oldest !== undefined && this.#downloads.size > KEPT_DOWNLOADS) this.#downloads.delete(oldest);
    return false;
  }

  #stop(id: number): boolean {
    const activity = this.#activities.get(id);
    if (activity === undefined) return false;
    this.#activities.delete(id);
    const ended = this.#ended;
    const { type, done, expected, bytesExpected, substituter } = activity;
    if (type === ACTIVITY.copyPaths) {
      ended.pathsDone += done;
      ended.pathsTotal += expected;
    }
    if (bytesExpected > 0) {
      ended.bytesTotal += bytesExpected;
      // What Nix never told of small paths.
      if (ended.pathsDone === ended.pathsTotal) this.#receive(ended.bytesTotal - ended.bytesDone);
    }
    if (type !== ACTIVITY.copyPath) return false;
    this.#receivedFrom = substituter;
    this.#receive(expected - done <= COPY_STEP ? expected : done);
    return true;
  }

  #receive(bytes: number, paths = 0): void {
    this.#ended.bytesDone += Math.max(0, bytes);
    if (this.#receivedFrom === undefined || (bytes <= 0 && paths <= 0)) return;
    this.#onReceived?.(this.#receivedFrom, Math.max(0, bytes), paths);
  }

  #result(line: LogLine & { kind: 'result' }): boolean {
    const activity = this.#activities.get(line.id);
    const [first, second] = line.fields;
    if (line.type === RESULT.buildLogLine && typeof first === 'string') {
      this.#builderLines.push(cleanText(first).slice(0, KEPT_TEXT));
      if (this.#builderLines.length > KEPT_BUILDER_LINES) this.#builderLines.shift();
      return false;
    }
    if (activity === undefined || typeof first !== 'number' || typeof second !== 'number') return false;
    if (line.type === RESULT.setExpected && first === ACTIVITY.copyPath) {
      activity.bytesExpected = Math.max(activity.bytesExpected, second);
      return true;
    }
    if (line.type !== RESULT.progress) return false;
    if (activity.type === ACTIVITY.copyPaths) this.#receive(0, first - activity.done);
    activity.done = first;
    activity.expected = second;
    return activity.type === ACTIVITY.copyPath || activity.type === ACTIVITY.copyPaths;
  }
}
