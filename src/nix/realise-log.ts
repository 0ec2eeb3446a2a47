import { ACTIVITY, cleanText, LEVEL, type LogLine, parseLogLine, RESULT } from './log-line.ts';
import type { RealiseProgress } from './store.ts';

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
}

const KEPT_MESSAGES = 20;
const KEPT_BUILDER_LINES = 10;
const KEPT_TEXT = 600;
const KEPT_SUBSTITUTERS = 50;
const KEPT_UNKNOWN_PATHS = 20;
const KEPT_STATUSES = 200;
const TRACKED_ACTIVITIES = 10_000;

const UNKNOWN_PATHS_HEADING = "don't know how to build these paths";
const FINISHED_DOWNLOAD = /^finished download of '([^']*)'; curl status = \d+, HTTP status = (\d+)/;

interface Activity {
  readonly type: number;
  done: number;
}

/** Folds the log of a Nix process into its progress and into what explains a failure. */
export class RealiseLog {
  readonly #activities = new Map<number, Activity>();
  readonly #messages: string[] = [];
  readonly #builderLines: string[] = [];
  readonly #substituters = new Set<string>();
  readonly #unknownPaths: string[] = [];
  readonly #httpStatus = new Map<string, number>();
  #listsUnknownPaths = false;
  #bytesOfEnded = 0;
  #pathsDone = 0;
  #pathsTotal = 0;
  #bytesTotal = 0;

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
    let bytesDone = this.#bytesOfEnded;
    for (const activity of this.#activities.values()) {
      if (activity.type === ACTIVITY.copyPath) bytesDone += activity.done;
    }
    return {
      pathsDone: this.#pathsDone,
      pathsTotal: this.#pathsTotal,
      bytesDone,
      bytesTotal: Math.max(this.#bytesTotal, bytesDone),
      substituters: [...this.#substituters],
    };
  }

  record(): RealiseRecord {
    return {
      messages: [...this.#messages],
      builderLines: [...this.#builderLines],
      substituters: [...this.#substituters],
      unknownPaths: [...this.#unknownPaths],
      httpStatus: new Map(this.#httpStatus),
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
    if (type === ACTIVITY.queryPathInfo || type === ACTIVITY.substitute) {
      const substituter = fields[1];
      if (typeof substituter !== 'string' || this.#substituters.size >= KEPT_SUBSTITUTERS) return false;
      this.#substituters.add(substituter.slice(0, KEPT_TEXT));
      return true;
    }
    if (this.#activities.size < TRACKED_ACTIVITIES) {
      this.#activities.set(line.id, { type, done: 0 });
    }
    return false;
  }

  #stop(id: number): boolean {
    const activity = this.#activities.get(id);
    if (activity === undefined) return false;
    this.#activities.delete(id);
    if (activity.type !== ACTIVITY.copyPath) return false;
    this.#bytesOfEnded += activity.done;
    return true;
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
      this.#bytesTotal = Math.max(this.#bytesTotal, second);
      return true;
    }
    if (line.type !== RESULT.progress) return false;
    if (activity.type === ACTIVITY.copyPaths) {
      this.#pathsDone = Math.max(this.#pathsDone, first);
      this.#pathsTotal = Math.max(this.#pathsTotal, second);
      return true;
    }
    activity.done = first;
    return activity.type === ACTIVITY.copyPath;
  }
}
