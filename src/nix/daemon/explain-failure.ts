import type { StorePath } from '../../closure/store-path.ts';
import type { Log } from '../../log.ts';
import { LEVEL } from '../log-line.ts';
import { RealiseLog, type RealiseRecord } from '../realise-log.ts';
import type { DaemonConnection, RunOptions } from './connection.ts';
import { type ClientSettings, queryMissing, setOptions } from './operations.ts';

/** How long Nix may take to say which substituter answered what, after a failure. */
const DIAGNOSIS_MS = 15_000;

export interface ExplainDeps {
  /** Opens a connection of its own for each question. */
  readonly connect: (options: RunOptions) => Promise<DaemonConnection>;
  readonly settings: ClientSettings['settings'];
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
}

/**
 * Adds to the record of a failed realise which paths no substituter has, and the HTTP status that each substituter answers with
 * for the first. Nix takes 401, 403 and 404 all for "has not got it" and tells them apart only in its debug log, which would be
 * too much for a whole closure. Without an answer the record stays as it is.
 */
export async function explainFailure(
  outputs: readonly StorePath[],
  record: RealiseRecord,
  deps: ExplainDeps,
): Promise<RealiseRecord> {
  const timeout = AbortSignal.timeout(DIAGNOSIS_MS);
  const stop = deps.signal === undefined ? timeout : AbortSignal.any([deps.signal, timeout]);
  try {
    const unknown = (await diagnose(outputs, LEVEL.info, stop, deps)).unknownPaths;
    const [first] = unknown;
    if (first === undefined) return record;
    const { httpStatus, substituters } = await diagnose([first], LEVEL.debug, stop, deps);
    // Whom the realise has asked a Nix that remembers misses does not ask again.
    const asked = new Set([...record.substituters, ...substituters]);
    return { ...record, unknownPaths: unknown, httpStatus, substituters: [...asked] };
  } catch (error) {
    deps.log.debug({ path: outputs[0], error }, 'cannot ask Nix which substituter answered what');
    return record;
  }
}

async function diagnose(
  paths: readonly StorePath[],
  verbosity: number,
  signal: AbortSignal,
  { connect, settings }: ExplainDeps,
) {
  const log = new RealiseLog();
  const run: RunOptions = { signal, onLog: (line) => void log.take(line) };
  const connection = await connect(run);
  try {
    await connection.ask(setOptions({ verbosity, settings }), run);
    const { unknown } = await connection.ask(queryMissing(paths), run);
    const { httpStatus, substituters } = log.record();
    return { unknownPaths: unknown, httpStatus, substituters };
  } finally {
    await connection.close();
  }
}
