import type { StorePath } from '../../closure/store-path.ts';
import {
  boolean,
  type Decode,
  integer,
  list,
  skipNumber,
  storePath,
  storePaths,
  text,
  WireWriter,
} from './wire.ts';

/** One request to the daemon and how its answer is read. Numbers and forms: nix `src/libstore/daemon.cc`. */
export interface Operation<T> {
  /** The name that Nix gives it. */
  readonly name: string;
  readonly request: Buffer;
  readonly answer: () => Decode<T>;
}

/** What the store knows of a valid path, or a substituter of one that it has, as far as it is used here. */
export interface PathInfo {
  readonly references: readonly StorePath[];
  readonly narSize: number;
}

/** What would have to be done to make paths valid. */
export interface Missing {
  readonly substitutable: readonly StorePath[];
  /** In no store and no substituter, and no derivation makes them. */
  readonly unknown: readonly StorePath[];
}

export interface ClientSettings {
  readonly verbosity: number;
  /** nix.conf settings by name; a daemon that does not trust the client takes few of them. */
  readonly settings: ReadonlyMap<string, string>;
}

const MAX_SIGNATURES = 1000;

/** Before Nix 2.16 the number of builds also limits how many paths are fetched at a time; nothing is ever built. */
const MAX_JOBS = 16;
const LEVEL_VOMIT = 7;

export function isValidPath(path: StorePath): Operation<boolean> {
  return operation(
    'IsValidPath',
    1,
    (request) => request.text(path),
    () => boolean('validity'),
  );
}

/** The valid ones of `paths`. Nothing is substituted. */
export function queryValidPaths(paths: readonly StorePath[]): Operation<readonly StorePath[]> {
  return operation('QueryValidPaths', 31, (request) => request.texts(paths).u64(false), storePaths);
}

export function queryPathInfo(path: StorePath): Operation<PathInfo | undefined> {
  return operation('QueryPathInfo', 26, (request) => request.text(path), optionalPathInfo);
}

/** @param link an absolute path: a symlink into the store. */
export function addIndirectRoot(link: string): Operation<void> {
  return operation('AddIndirectRoot', 12, (request) => request.text(link), acknowledged);
}

/** Substitutes: a path without `!` is opaque, and never built. */
export function buildPaths(paths: readonly StorePath[]): Operation<void> {
  return operation('BuildPaths', 9, (request) => request.texts(paths).u64(0), acknowledged);
}

export function queryMissing(paths: readonly StorePath[]): Operation<Missing> {
  return operation('QueryMissing', 40, (request) => request.texts(paths), missing);
}

/** What is known of paths that a substituter has. */
export function querySubstitutablePathInfos(
  paths: readonly StorePath[],
): Operation<ReadonlyMap<StorePath, PathInfo>> {
  return operation(
    'QuerySubstitutablePathInfos',
    30,
    (request) => {
      request.u64(paths.length);
      // Without a content address.
      for (const path of paths) request.text(path).text('');
      return request;
    },
    substitutablePaths,
  );
}

/** Adds a text that refers to valid paths; nothing is built. Its name is content-addressed: see `text-path.ts`. */
export function addTextToStore(
  name: string,
  content: string,
  references: readonly StorePath[],
): Operation<StorePath> {
  return operation(
    'AddToStore',
    7,
    (request) =>
      request.text(name).text('text:sha256').texts(references).u64(false).framed(Buffer.from(content)),
    addedPath,
  );
}

/** Substituters on, no fallback to building. */
export function setOptions({ verbosity, settings }: ClientSettings): Operation<void> {
  return operation(
    'SetOptions',
    19,
    (request) => {
      // keepFailed, keepGoing, tryFallback, verbosity, maxBuildJobs, maxSilentTime, useBuildHook (obsolete),
      // verboseBuild, logType and printBuildTrace (obsolete), buildCores, useSubstitutes
      for (const value of [0, 0, 0, verbosity, MAX_JOBS, 0, 1, LEVEL_VOMIT, 0, 0, 0, 1]) request.u64(value);
      request.u64(settings.size);
      for (const [name, value] of settings) request.text(name).text(value);
      return request;
    },
    nothing,
  );
}

function operation<T>(
  name: string,
  number: number,
  encode: (request: WireWriter) => WireWriter,
  answer: () => Decode<T>,
): Operation<T> {
  return { name, request: encode(new WireWriter().u64(number)).bytes(), answer };
}

function* acknowledged(): Decode<void> {
  yield* skipNumber();
}

// eslint-disable-next-line require-yield -- SetOptions has no answer
function* nothing(): Decode<void> {}

function* optionalPathInfo(): Decode<PathInfo | undefined> {
  return (yield* boolean('the validity of a path')) ? yield* pathInfo() : undefined;
}

function* pathInfo(): Decode<PathInfo> {
  yield* text('a deriver');
  yield* text('a NAR hash');
  const references = yield* storePaths();
  yield* skipNumber();
  const narSize = yield* integer('a NAR size');
  yield* boolean('a trust mark');
  yield* list('signatures', () => text('a signature'), MAX_SIGNATURES);
  yield* text('a content address');
  return { references, narSize };
}

function* addedPath(): Decode<StorePath> {
  const path = yield* storePath();
  yield* pathInfo();
  return path;
}

function* missing(): Decode<Missing> {
  yield* storePaths();
  const substitutable = yield* storePaths();
  const unknown = yield* storePaths();
  yield* skipNumber();
  yield* skipNumber();
  return { substitutable, unknown };
}

function* substitutablePaths(): Decode<ReadonlyMap<StorePath, PathInfo>> {
  return new Map(yield* list('substitutable paths', substitutablePath));
}

function* substitutablePath(): Decode<readonly [StorePath, PathInfo]> {
  const path = yield* storePath();
  yield* text('a deriver');
  const references = yield* storePaths();
  // The download's size.
  yield* skipNumber();
  const narSize = yield* integer('a NAR size');
  return [path, { references, narSize }];
}
