import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STORE_DIR, type StorePath, storePathName } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { silentLog } from '../../../src/log.ts';
import { RegistryServer } from '../../../src/resolver/registry-server.ts';
import { ImageCache } from '../../../src/store-image/image-cache.ts';
import { openLayerDigests } from '../../../src/store-image/open-layer-digests.ts';
import { OrdinaryLayers } from '../../../src/store-image/ordinary-layers.ts';
import { pathImage } from '../../../src/store-image/path-image.ts';
import type { Wanted } from '../../../src/store-image/reference.ts';

export const TOKEN = 'a'.repeat(64);

const HASH = '0'.repeat(32);
const path = (name: string) => `${STORE_DIR}/${HASH}-${name}` as StorePath;
const HELLO = path('hello-1.0');
const LIBRARY = path('library');
/** A layer of several chunks. */
const LIBRARY_BYTES = 1_500_000;

/** The registry of the daemon over a small store. */
export interface TestRegistry extends AsyncDisposable {
  readonly port: number;
  /** Repositories of one image: with layers that name paths, and with ordinary layers. */
  readonly repositories: readonly string[];
}

/** Serves a store of two paths on a free port; a real directory, with what Nix would be asked for given here. */
export async function serveRegistry(
  options: { readonly requestTimeoutMs?: number } = {},
): Promise<TestRegistry> {
  await using undo = new AsyncDisposableStack();
  const top = mkdtempSync(join(tmpdir(), 'registry-'));
  undo.defer(() => rmSync(top, { recursive: true }));
  const realStoreDir = join(top, 'store');
  mkdirSync(join(realStoreDir, storePathName(HELLO), 'bin'), { recursive: true });
  writeFileSync(join(realStoreDir, storePathName(HELLO), 'bin/hello'), '#!/bin/sh\n', { mode: 0o555 });
  symlinkSync(LIBRARY, join(realStoreDir, storePathName(HELLO), 'library'));
  writeFileSync(join(realStoreDir, storePathName(LIBRARY)), Buffer.alloc(LIBRARY_BYTES, 'library'));

  const references = new Map([
    [HELLO, [LIBRARY]],
    [LIBRARY, []],
  ]);
  const nix = {
    realStoreDir: async () => realStoreDir,
    closure: async () => [HELLO, LIBRARY],
    referenceGraph: async () => references,
  };
  const cache = undo.use(new ImageCache({ idleMs: 1000 }, { log: silentLog }));
  const resolve = async (wanted: Wanted) => {
    if (wanted.kind === 'path' && wanted.path === HELLO) {
      const lease = await cache.use(HELLO, () =>
        pathImage(HELLO, { nix, store: new StoreFiles({ realStoreDir }) }),
      );
      return {
        image: lease.image,
        judged: `nix:0${HELLO}`,
        [Symbol.dispose]: () => lease[Symbol.dispose](),
      };
    }
    throw new StatusError('FailedPrecondition', 'no substituter has it');
  };
  const resolver = { resolve, resolveNeeded: resolve, realise: async () => {} };
  const closures = {
    pathsOf: async () => [HELLO, LIBRARY],
  };
  const directory = join(top, 'digests');
  const digests = undo.use(
    openLayerDigests({ directory, realStoreDir: nix.realStoreDir }, { log: silentLog }),
  );
  const layers = undo.use(new OrdinaryLayers({ resolver, nix, closures, digests, log: silentLog }));
  const address = { host: '127.0.0.1', port: 0, token: TOKEN, deadlineMs: 60_000 };
  const server = undo.use(
    await RegistryServer.listen({ ...address, ...options }, { resolver, layers, log: silentLog }),
  );
  const running = undo.move();
  const name = storePathName(HELLO);
  return {
    port: server.port,
    repositories: [name, `nix/store/${name}`, `layers/${name}`, `layers/nix/store/${name}`],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
