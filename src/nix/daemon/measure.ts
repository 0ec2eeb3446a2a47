import type { StorePath } from '../../closure/store-path.ts';
import type { Measure, MeasureOptions } from '../measure.ts';
import { type DaemonConnection, DaemonError, LONG, type RunOptions } from './connection.ts';
import { type PathInfo, queryMissing, queryPathInfo, querySubstitutablePathInfos } from './operations.ts';

/** How many paths are asked about before the answers are awaited. */
const PIPELINED = 256;

export interface MeasureDeps {
  /** Asks on a kept connection. */
  readonly ask: <T>(question: (connection: DaemonConnection) => Promise<T>) => Promise<T>;
  /** Asks on a connection that has our settings, substituters among them. */
  readonly askSubstituters: <T>(question: (connection: DaemonConnection) => Promise<T>) => Promise<T>;
}

/** {@link Measures.measure} by the worker protocol. */
export async function measureClosure(
  paths: readonly StorePath[],
  { local = false, signal }: MeasureOptions,
  { ask, askSubstituters }: MeasureDeps,
): Promise<Measure> {
  const present = new Map<StorePath, number>();
  const invalid = await ask(async (connection) => await walkValid(connection, paths, present));
  if (invalid.length === 0 || local) return { present, absent: new Map(), complete: invalid.length === 0 };
  const { absent, unknown } = await askSubstituters(
    async (connection) => await askAbout(connection, invalid, { signal, limits: LONG }),
  );
  const beyond = [...absent.values()]
    .flatMap(({ references }) => references)
    .filter((path) => !absent.has(path) && !present.has(path));
  const lost = await ask(async (connection) => await walkValid(connection, beyond, present));
  return {
    present,
    absent: new Map([...absent].map(([path, { narSize }]) => [path, narSize])),
    complete: unknown.length === 0 && lost.length === 0,
  };
}

/** Adds the closure of what is valid to `present`; returns what is not valid. */
async function walkValid(
  connection: DaemonConnection,
  paths: readonly StorePath[],
  present: Map<StorePath, number>,
): Promise<readonly StorePath[]> {
  const seen = new Set([...present.keys(), ...paths]);
  const left = [...new Set(paths)].filter((path) => !present.has(path));
  const invalid: StorePath[] = [];
  while (left.length > 0) {
    const asked = left.splice(0, PIPELINED);
    const infos = await connection.run(asked.map(queryPathInfo));
    for (const [at, path] of asked.entries()) {
      const info = infos[at];
      if (info === undefined) {
        invalid.push(path);
        continue;
      }
      present.set(path, info.narSize);
      for (const reference of info.references) {
        if (!seen.has(reference)) left.push(reference);
        seen.add(reference);
      }
    }
  }
  return invalid;
}

/** What substituters have of these paths and all that those need. */
async function askAbout(
  connection: DaemonConnection,
  paths: readonly StorePath[],
  run: RunOptions,
): Promise<{ readonly absent: ReadonlyMap<StorePath, PathInfo>; readonly unknown: readonly StorePath[] }> {
  try {
    // It asks about all at the same time; the next question finds the answers in Nix's cache of them.
    const { substitutable, unknown } = await connection.ask(queryMissing(paths), run);
    if (substitutable.length === 0) return { absent: new Map(), unknown: paths };
    const absent = await connection.ask(querySubstitutablePathInfos(substitutable), run);
    const untold = [...substitutable, ...paths].filter((path) => !absent.has(path));
    return { absent, unknown: [...unknown, ...untold] };
  } catch (error) {
    // A cache fails; a realise says in full what is wrong.
    if (!(error instanceof DaemonError)) throw error;
    return { absent: new Map(), unknown: paths };
  }
}
