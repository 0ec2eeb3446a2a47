import { createServer } from 'node:net';
import { join } from 'node:path';
import { StatusError } from '../errors.ts';
import { listen } from '../rpc/socket.ts';

/**
 * Keeps every other helper out of a root until it is disposed of, or this process ends: they would take each other's views for
 * nobody's. The lock is a socket that nobody else can listen on.
 *
 * @param root an existing directory.
 * @throws StatusError FailedPrecondition when another process has the root; what a socket raises that cannot be made.
 */
export async function lockRoot(root: string): Promise<AsyncDisposable> {
  const path = join(root, 'lock');
  const server = createServer((connection) => connection.destroy());
  try {
    const remove = await listen(server, { path });
    return {
      [Symbol.asyncDispose]: async () => {
        await remove();
        server.close();
      },
    };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new StatusError(
      error.code,
      `${root} (view_helper.root) cannot be locked; does another view helper use it? ${error.message}`,
      { cause: error },
    );
  }
}
