import { messageOf, type StatusCode, StatusError } from '../errors.ts';
import { createRpcClient } from '../rpc/client.ts';
import { introspection, version } from './introspection.ts';
import { releaseIn } from './program.ts';

/** A plugin of a containerd that runs. */
export interface RunningPlugin {
  /** `<type>.<id>`, such as `io.containerd.snapshotter.v1.nix`. */
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  /** Why it did not start; undefined where it did. */
  readonly failure: string | undefined;
}

/** What a containerd that runs says of itself. */
export interface RunningContainerd {
  readonly release: string;
  /** Its process id as it sees itself, which may be in another PID namespace; 0 where it does not tell. */
  readonly pid: number;
  /** Inode of its PID namespace. */
  readonly pidNamespace: bigint;
  readonly plugins: readonly RunningPlugin[];
}

/** containerd's answer, or why there is none. */
export type ContainerdAnswer =
  | { readonly running: RunningContainerd }
  | { readonly refusal: { readonly code: StatusCode; readonly message: string } };

/** Asks the containerd that listens on a socket for its version and its plugins. */
export async function askContainerd(address: string, timeoutMs: number): Promise<ContainerdAnswer> {
  using client = createRpcClient({ address });
  const [ofVersion, ofPlugins] = [client.service(version), client.service(introspection)];
  try {
    const [{ version: said }, server, { plugins }] = await Promise.all([
      ofVersion.Version({}, { timeoutMs }),
      ofPlugins.Server({}, { timeoutMs }),
      ofPlugins.Plugins({ filters: [] }, { timeoutMs }),
    ]);
    return {
      running: {
        release: releaseIn(said) ?? said,
        pid: Number(server.pid),
        pidNamespace: server.pidns,
        plugins: plugins.map(({ type, id, exports, capabilities, init_err: error }) => ({
          name: `${type}.${id}`,
          exports,
          capabilities,
          failure: error === null ? undefined : error.message,
        })),
      },
    };
  } catch (error) {
    const code = error instanceof StatusError ? error.code : 'Unknown';
    return { refusal: { code, message: messageOf(error) } };
  }
}
