import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { StorePath } from '../../../../src/closure/store-path.ts';
import { silentLog } from '../../../../src/log.ts';
import {
  type DaemonConnection,
  DaemonError,
  type RunOptions,
} from '../../../../src/nix/daemon/connection.ts';
import { Fetcher } from '../../../../src/nix/daemon/fetch.ts';
import { ACTIVITY } from '../../../../src/nix/log-line.ts';

const PATH = `/nix/store/${'0'.repeat(32)}-x` as StorePath;
const CACHE = 'http://cache.example';

/** A daemon that has no path, and asks its cache for one once, whatever connection it is asked by. */
function forgetsNothing(): () => DaemonConnection {
  let hasAsked = false;
  const missing = { unknown: [PATH], substitutable: [] };
  const connection = {
    peer: { trusted: false },
    run: async (operations: readonly unknown[], { onLog }: RunOptions) => {
      const line = { kind: 'start', id: 1, parent: 0, type: ACTIVITY.queryPathInfo, fields: [PATH, CACHE] };
      if (!hasAsked) onLog?.(line as Parameters<NonNullable<typeof onLog>>[0]);
      hasAsked = true;
      return operations.map(() => missing);
    },
    ask: async ({ name }: { readonly name: string }) => {
      if (/build/i.test(name)) throw new DaemonError(`error: path '${PATH}' does not exist`);
      return missing;
    },
    close: async () => undefined,
  };
  return () => connection as unknown as DaemonConnection;
}

it('a cache that an earlier try has asked is not one that Nix has not asked', async () => {
  const connect = forgetsNothing();
  let seen: readonly string[] = [];
  const fetcher = new Fetcher({
    spare: connect,
    connect: async () => connect(),
    end: () => undefined,
    opened: () => undefined,
    spareRoot: async () => undefined,
    settings: new Map(),
    inquiry: {
      factsOf: async ({ substituters }) => {
        seen = substituters;
        return {};
      },
    },
    log: silentLog,
  });
  await assert.rejects(fetcher.fetch([PATH], '/root', {}), {
    code: 'FailedPrecondition',
    message: new RegExp(`no cache has it \\(${CACHE}: has not got it\\)`),
  });
  assert.deepEqual(seen, [CACHE]);
});
