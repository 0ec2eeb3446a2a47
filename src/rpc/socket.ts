import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, link, lstat, mkdtemp, open, rm, unlink } from 'node:fs/promises';
import { createConnection, type Server } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';

/** Bytes of a socket's path that clients can name (`sun_path` less its final NUL, unix(7)). */
const MAX_PATH_BYTES = 107;
const FIRST_ACTIVATED_FD = 3;

/** Where a server listens: a socket file that it makes, or a listening socket that it inherited. */
export type Endpoint = { readonly path: string } | { readonly fd: number };

/**
 * The endpoint that socket activation hands to this process (sd_listen_fds(3)), else undefined.
 * The variables are taken out of `env`, so that child processes do not believe them.
 *
 * @throws StatusError InvalidArgument when more than one socket is handed over.
 */
export function activatedEndpoint(env: NodeJS.ProcessEnv, pid: number): Endpoint | undefined {
  const { LISTEN_PID: listenPid, LISTEN_FDS: listenFds } = env;
  if (listenPid !== String(pid) || listenFds === undefined) return undefined;
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (listenFds === '1') return { fd: FIRST_ACTIVATED_FD };
  throw new StatusError(
    'InvalidArgument',
    `LISTEN_FDS is ${JSON.stringify(listenFds)}; exactly one socket is expected: the socket unit must have one Listen line`,
  );
}

/**
 * Makes `server` listen at `endpoint`. A socket file has mode 0600 from its first moment: it is bound in a private
 * directory and linked to its name when its mode is set.
 *
 * @returns takes away the socket file, if one was made and is still the same.
 * @throws StatusError InvalidArgument (a path that is too long, or where something other than a socket is),
 *   FailedPrecondition (another process listens there, or the file cannot be made).
 */
export async function listen(server: Server, endpoint: Endpoint): Promise<() => Promise<void>> {
  if ('fd' in endpoint) {
    server.listen({ fd: endpoint.fd });
    await once(server, 'listening');
    return async () => undefined;
  }
  const { path } = endpoint;
  checkLength(path);
  const identity = await make(server, path);
  return async () => {
    if ((await identityOf(path)) === identity) await unlink(path);
  };
}

async function make(server: Server, path: string): Promise<string> {
  try {
    await makeDirectories(dirname(resolve(path)), 0o755);
    return await bindPrivately(server, path);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError(
      'FailedPrecondition',
      `socket ${path} cannot be made: ${messageOf(error)}; make its directory writable or choose another --address`,
      { cause: error },
    );
  }
}

function checkLength(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH_BYTES) return;
  throw new StatusError(
    'InvalidArgument',
    `socket ${path} has ${length} bytes; a unix socket's path has at most ${MAX_PATH_BYTES}: choose a shorter --address`,
  );
}

/** Binds through the open directory, so that the length of the private name does not matter. */
async function bindPrivately(server: Server, path: string): Promise<string> {
  const directory = await mkdtemp(join(dirname(path), '.socket-'));
  try {
    const name = `${randomUUID()}.sock`;
    const handle = await open(directory, 'r');
    try {
      server.listen({ path: `/proc/self/fd/${handle.fd}/${name}` });
      await once(server, 'listening');
    } finally {
      await handle.close();
    }
    await chmod(join(directory, name), 0o600);
    // Read before the name is public: from then on something else may take its place.
    const identity = await identityOf(join(directory, name));
    if (identity === undefined) throw new Error(`${join(directory, name)} was removed while it was made`);
    await publish(join(directory, name), path);
    return identity;
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Links the bound socket to its name, in place of one that nobody listens on. */
async function publish(bound: string, path: string): Promise<void> {
  for (;;) {
    try {
      await link(bound, path);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    await removeStale(path);
  }
}

async function removeStale(path: string): Promise<void> {
  const before = await identityOf(path);
  if (before === undefined) return;
  if (!(await lstat(path)).isSocket()) {
    throw new StatusError(
      'InvalidArgument',
      `${path} exists and is not a socket: remove it or choose another --address`,
    );
  }
  const refusal = await connectionError(path);
  if (refusal === undefined) {
    throw new StatusError(
      'FailedPrecondition',
      `another daemon is listening on ${path}: stop it or choose another --address`,
    );
  }
  if (errnoOf(refusal) !== 'ECONNREFUSED' && errnoOf(refusal) !== 'ENOENT') {
    throw new StatusError(
      'FailedPrecondition',
      `cannot tell whether ${path} is in use: ${messageOf(refusal)}`,
      {
        cause: refusal,
      },
    );
  }
  if ((await identityOf(path)) === before) await rm(path, { force: true });
}

async function connectionError(path: string): Promise<unknown> {
  const connection = createConnection(path);
  try {
    await once(connection, 'connect');
    return undefined;
  } catch (error) {
    return error;
  } finally {
    connection.destroy();
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
