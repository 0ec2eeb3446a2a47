import type { StorePath } from '../../closure/store-path.ts';
import type { ReferenceGraph } from '../store.ts';
import { type DaemonConnection, DaemonError } from './connection.ts';
import { type PathInfo, queryPathInfo } from './operations.ts';

/** How many paths are asked about before the answers are awaited. */
const PIPELINED = 256;

/** {@link NixStore.closure} by the worker protocol; throws DaemonError for a path that is not valid. */
export async function closureOf(
  connection: DaemonConnection,
  paths: readonly StorePath[],
): Promise<readonly StorePath[]> {
  const closure = new Set(paths);
  const left = [...closure];
  while (left.length > 0) {
    for (const [, { references }] of await infosOf(connection, left.splice(0, PIPELINED))) {
      for (const reference of references) {
        if (!closure.has(reference)) left.push(reference);
        closure.add(reference);
      }
    }
  }
  return [...closure].toSorted();
}

/** {@link NixStore.referenceGraph} by the worker protocol; throws DaemonError for a path that is not valid. */
export async function referenceGraphOf(
  connection: DaemonConnection,
  paths: readonly StorePath[],
): Promise<ReferenceGraph> {
  const graph = new Map<StorePath, readonly StorePath[]>();
  for (let from = 0; from < paths.length; from += PIPELINED) {
    for (const [path, { references }] of await infosOf(connection, paths.slice(from, from + PIPELINED))) {
      graph.set(path, references);
    }
  }
  return graph;
}

async function infosOf(
  connection: DaemonConnection,
  paths: readonly StorePath[],
): Promise<readonly (readonly [StorePath, PathInfo])[]> {
  const infos = await connection.run(paths.map(queryPathInfo));
  return paths.map((path, at) => {
    const info = infos[at];
    if (info === undefined) throw new DaemonError(`error: path '${path}' is not valid`);
    return [path, info];
  });
}
