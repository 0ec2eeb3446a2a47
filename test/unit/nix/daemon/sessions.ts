import type { StorePath } from '../../../../src/closure/store-path.ts';
import {
  type DaemonConnection,
  DaemonError,
  type RunOptions,
} from '../../../../src/nix/daemon/connection.ts';
import {
  addIndirectRoot,
  addTextToStore,
  buildPaths,
  isValidPath,
  queryMissing,
  queryPathInfo,
  querySubstitutablePathInfos,
  queryValidPaths,
  setOptions,
} from '../../../../src/nix/daemon/operations.ts';
import { RealiseLog } from '../../../../src/nix/realise-log.ts';

/** What a session is about; fixed when it is recorded. */
export interface Subject {
  /** A path that the substituter has, and one that it refers to. */
  readonly path: StorePath;
  readonly reference: StorePath;
  /** Address of the substituter. */
  readonly cache: string;
}

export const MISSING = `/nix/store/${'0'.repeat(32)}-missing` as StorePath;
export const TEXT = { name: 'golden', content: 'a text\n' };
const LINK = '/nix/var/nix/golden-root';

/** Conversations with a daemon, in the order in which they are recorded; what each returns can be compared as JSON. */
export const SESSIONS: Readonly<
  Record<string, (connection: DaemonConnection, subject: Subject) => Promise<unknown>>
> = {
  async absent(connection, { cache }) {
    return await substituting(connection, cache, [MISSING]);
  },
  async substitute(connection, { path, cache }) {
    const missing = await connection.ask(queryMissing([path, MISSING]));
    const infos = await connection.ask(querySubstitutablePathInfos([path, MISSING]));
    const references = [...infos].map(([of, info]) => [of, info.references]);
    return { missing, references, ...(await substituting(connection, cache, [path])) };
  },
  async query(connection, { path, reference }) {
    return {
      peer: connection.peer,
      valid: await connection.run([isValidPath(path), isValidPath(MISSING)]),
      both: await connection.ask(queryValidPaths([path, MISSING, reference])),
      info: (await connection.ask(queryPathInfo(path))) ?? null,
      absent: (await connection.ask(queryPathInfo(MISSING))) ?? null,
    };
  },
  async root(connection, { path, reference }) {
    const references = [path, reference].toSorted();
    const text = await connection.ask(addTextToStore(TEXT.name, TEXT.content, references));
    await connection.ask(addIndirectRoot(LINK));
    return { text };
  },
};

async function substituting(connection: DaemonConnection, cache: string, paths: readonly StorePath[]) {
  const log = new RealiseLog();
  const run: RunOptions = { onLog: (line) => void log.take(line) };
  const settings = new Map([
    ['substituters', cache],
    ['require-sigs', 'false'],
  ]);
  await connection.ask(setOptions({ verbosity: 3, settings }), run);
  const error = await connection.ask(buildPaths(paths), run).then(
    () => null,
    (cause: unknown) => {
      if (cause instanceof DaemonError) return cause.message;
      throw cause;
    },
  );
  return { error, progress: log.progress() };
}
