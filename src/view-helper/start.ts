import { lchown } from 'node:fs/promises';
import { join } from 'node:path';
import { StatusError } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';
import { whyNoRedirects } from '../host/overlay.ts';
import { shareMounts } from '../host/shared-mount.ts';
import type { Log } from '../log.ts';
import { openNixStore, type OpenNixStoreOptions } from '../nix/open-store.ts';
import { createRpcServer } from '../rpc/server.ts';
import type { Endpoint } from '../rpc/socket.ts';
import { OverlayViews } from '../view/overlay/overlay-views.ts';
import { HeldViews, type HeldViewsOptions } from './held-views.ts';
import { MAX_REQUEST_BYTES } from './request.ts';
import { lockRoot } from './root-lock.ts';
import { viewHelperService } from './service.ts';
import { viewsInUse } from './views-in-use.ts';

export interface ViewHelperOptions extends Omit<HeldViewsOptions, 'gcRoots'> {
  /** Of views and GC roots. */
  readonly root: string;
  /** A socket that is made here belongs to `user`, and nobody else may use it. */
  readonly endpoint: Endpoint;
  readonly user: number;
  readonly nix: OpenNixStoreOptions;
}

/** One user's daemon has one connection, and another for a moment when it is started anew. */
const MAX_CONNECTIONS = 8;
/** How long calls may take to end when the helper stops, in milliseconds. */
const DRAIN_MS = 2000;

/**
 * Starts the view helper of one user; it answers when this returns. Disposing of it leaves views mounted, for the next one.
 *
 * @throws StatusError FailedPrecondition when this process cannot make views, or its root or socket cannot be used or is another
 *   helper's.
 */
export async function startViewHelper(
  options: ViewHelperOptions,
  { log }: { readonly log: Log },
): Promise<AsyncDisposable> {
  const { root, endpoint, user } = options;
  const unfit = whyNoRedirects();
  if (unfit !== undefined) {
    throw new StatusError('FailedPrecondition', `the view helper must run as the host's root: ${unfit}`);
  }
  await makeDirectories(root, 0o711);
  await using undo = new AsyncDisposableStack();
  undo.use(await lockRoot(root));
  await shareMounts(root);
  // What is not valid is refused, never fetched.
  const nix = undo.use(openNixStore({ ...options.nix, substituters: [] }, { log, env: process.env }));
  const realStoreDir = () => nix.realStoreDir();
  const overlays = new OverlayViews(
    { directory: join(root, 'views'), usableBy: 'everybody' },
    { realStoreDir, log },
  );
  const views = new HeldViews(
    { ...options, gcRoots: join(root, 'gcroots') },
    { views: overlays, nix, inUse: () => viewsInUse(user), log },
  );
  undo.defer(() => views.close());
  const stopping = new AbortController();
  const server = createRpcServer({
    services: [viewHelperService({ views, stopping: stopping.signal })],
    maxMessageBytes: MAX_REQUEST_BYTES,
    maxConnections: MAX_CONNECTIONS,
    log,
  });
  undo.defer(async () => {
    stopping.abort();
    await server.close({ drainMs: DRAIN_MS });
  });
  // Who asks meanwhile waits: views are adopted first.
  await server.listen(endpoint);
  await views.adopt();
  if ('path' in endpoint) await lchown(endpoint.path, user, -1);
  log.info({ root, endpoint, user }, 'ready');
  const running = undo.move();
  return { [Symbol.asyncDispose]: () => running.disposeAsync() };
}
