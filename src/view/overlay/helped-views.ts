import { existsSync } from 'node:fs';
import { chmod, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerClosure } from '../../closure/annotations.ts';
import type { StorePath } from '../../closure/store-path.ts';
import { messageOf, type StatusCode, StatusError } from '../../errors.ts';
import { makeDirectories } from '../../host/make-directories.ts';
import { KeyedMutex } from '../../host/mutex.ts';
import type { Log } from '../../log.ts';
import type { RpcClient } from '../../rpc/client.ts';
import { viewHelper } from '../../rpc/view-helper-proto.ts';
import { readEntries } from '../entries.ts';
import type { ClosureViews, Shown, ShownView } from './closure-views.ts';
import { fingerprint, viewKey } from './fingerprint.ts';
import { storeStamp } from './store-stamp.ts';

export interface HelpedViewsOptions {
  /** The view helper's socket. */
  readonly address: string;
  /** Made when the first view is: directories above the store paths, which belong to us. */
  readonly cover: string;
}

export interface HelpedViewsDeps {
  /** The directory on this host that holds what containers see as `/nix/store`. */
  readonly realStoreDir: () => Promise<string>;
  /** A client of the view helper. */
  readonly connect: () => RpcClient;
  readonly log: Log;
}

/** A view that the helper keeps for us, for as long as our call is open. */
interface Lease extends ShownView {
  /** The state of the closure's paths on disk when it was asked for. */
  readonly state: string;
  stamp: bigint | undefined;
  readonly call: AbortController;
}

type LeaseRequest = [key: string, paths: readonly StorePath[], own: Pick<Lease, 'state' | 'stamp' | 'cover'>];

/** How long the helper may take, in milliseconds: longer than it gives itself. */
const PATIENCE_MS = 70_000;
/** With these the helper answers about what it was asked for; with others it cannot be used now, and waiting for it costs time. */
const ABOUT_REQUEST: ReadonlySet<StatusCode> = new Set([
  'InvalidArgument',
  'FailedPrecondition',
  'ResourceExhausted',
]);

/**
 * Views that the host's view helper makes below a shared mount point, for a daemon that may not mount any. A lease that ends,
 * because the helper was started anew, is asked for again by the next container; containers that run need none.
 */
export class HelpedViews implements ClosureViews, Disposable {
  readonly #options: HelpedViewsOptions;
  readonly #deps: HelpedViewsDeps;
  readonly #mutex = new KeyedMutex();
  readonly #leases = new Map<string, Lease>();
  #client: RpcClient;

  constructor(options: HelpedViewsOptions, deps: HelpedViewsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#client = deps.connect();
  }

  async show(
    closure: LayerClosure,
    pathsOf: () => Promise<readonly StorePath[] | undefined>,
  ): Promise<Shown> {
    const realStoreDir = await this.#deps.realStoreDir();
    const key = viewKey(closure);
    return this.#mutex.run([key], async () => {
      const held = this.#leases.get(key);
      const stamp = storeStamp(realStoreDir);
      if (held !== undefined && stamp !== undefined && held.stamp === stamp && existsSync(held.root))
        return held;
      const paths = await pathsOf();
      if (paths === undefined) return { missing: [] };
      const { entries, missing } = await readEntries(paths, realStoreDir);
      if (missing.length > 0) return { missing };
      const state = fingerprint(entries, realStoreDir);
      if (held?.state === state && existsSync(held.root)) {
        held.stamp = stamp;
        return held;
      }
      try {
        const cover = await this.#makeCover();
        const lease = await this.#hold(key, paths, { state, stamp, cover });
        held?.call.abort();
        return lease;
      } catch (error) {
        const code = error instanceof StatusError ? error.code : 'Unknown';
        const next =
          code === 'Unavailable'
            ? '; start it, for containers that have its views need it to be started again'
            : '';
        return {
          refused: `view helper ${this.#options.address}: ${messageOf(error)}${next}`,
          onlyThis: ABOUT_REQUEST.has(code),
        };
      }
    });
  }

  /** Views that the helper keeps mounted for us. */
  get count(): number {
    return this.#leases.size;
  }

  /** Nothing is lost by a restart of the host: the next container asks again. */
  isLost(): boolean {
    return false;
  }

  async collect(inUse: () => ReadonlySet<string>): Promise<readonly string[]> {
    for (const key of this.#leases.keys()) {
      await this.#mutex.run([key], async () => {
        if (!inUse().has(key)) this.#end(key);
      });
    }
    return [];
  }

  /** Ends all leases; views stay for the helper's grace time. */
  [Symbol.dispose](): void {
    for (const key of this.#leases.keys()) this.#end(key);
    this.#client.close();
  }

  #end(key: string): void {
    this.#leases.get(key)?.call.abort();
    this.#leases.delete(key);
  }

  /** A connection that broke is made anew at once: gRPC by itself would wait, the longer the helper was away. */
  async #hold(...request: LeaseRequest): Promise<Lease> {
    const client = this.#client;
    try {
      return await this.#ask(client, ...request);
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 'Unavailable') throw error;
      if (this.#client === client) {
        client.close();
        this.#client = this.#deps.connect();
      }
      return await this.#ask(this.#client, ...request);
    }
  }

  async #ask(client: RpcClient, ...[key, paths, own]: LeaseRequest): Promise<Lease> {
    const call = new AbortController();
    const stream = client.service(viewHelper).Hold({ store_paths: [...paths] }, { signal: call.signal });
    const answers = stream[Symbol.asyncIterator]();
    const late = new StatusError('DeadlineExceeded', `no answer within ${PATIENCE_MS / 1000} s`);
    const timer = setTimeout(() => call.abort(late), PATIENCE_MS);
    try {
      const { value, done } = await answers.next();
      if (done === true) throw new StatusError('Unavailable', 'it is stopping; try again');
      const { root, metadata } = value;
      if (!existsSync(root)) {
        throw new StatusError(
          'NotFound',
          `${root} is not seen in this mount namespace; start the helper before RootlessKit, and that with --propagation=rslave`,
        );
      }
      const lease = { ...own, root, metadata, call };
      this.#leases.set(key, lease);
      void this.#watch(key, lease, answers);
      return lease;
    } catch (error) {
      call.abort();
      throw call.signal.reason === late ? late : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** As the directories of a view are: mode and time too. */
  async #makeCover(): Promise<string> {
    const { cover } = this.#options;
    for (const directory of [join(cover, 'nix'), join(cover, 'nix/store')]) {
      await makeDirectories(directory, 0o755);
      await chmod(directory, 0o755);
      await utimes(directory, 1, 1);
    }
    await utimes(join(cover, 'nix'), 1, 1);
    return cover;
  }

  /** Forgets the lease when the helper ends it. */
  async #watch(key: string, lease: Lease, answers: AsyncIterator<unknown>): Promise<void> {
    try {
      await answers.next();
    } catch (error) {
      if (!lease.call.signal.aborted)
        this.#deps.log.debug({ key, error: messageOf(error) }, 'the view helper is gone');
    }
    if (this.#leases.get(key) === lease) this.#leases.delete(key);
  }
}
