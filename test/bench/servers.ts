import { StatusError } from '../../src/errors.ts';
import type { SandboxProcess } from '../sandbox/process.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { Snapshotter } from '../sandbox/snapshotter.ts';
import { waitFor } from '../sandbox/wait-for.ts';

/** Views of ours, in the order of the tables' columns; the first that works stands for ours where the view does not matter. */
export const VIEWS = ['overlay', 'binds', 'store'] as const;
export type View = (typeof VIEWS)[number];

/** The subject that containerd's own overlayfs is. */
export const OVERLAYFS = 'overlayfs';
export const OVERLAYFS_PROGRAM = '/var/lib/bench-programs/serve-overlay';
export const PEER_PROGRAM = '/var/lib/bench-programs/peer';
/** Where the snapshotters' roots lie. */
export const SERVERS_DIRECTORY = '/var/lib/bench-servers';

/** A snapshotter that runs on the node and serves its socket. */
export interface RunningServer {
  /** The subject's name in the tables. */
  readonly name: string;
  readonly socket: string;
  readonly root: string;
  /** The program with its arguments, to start it by other means. */
  readonly command: readonly string[];
  readonly process: SandboxProcess;
  stop(): Promise<void>;
  restart(): Promise<void>;
}

/**
 * Starts our daemon with a view.
 *
 * @param instance tells daemons of one view apart.
 * @returns why it cannot be measured where the daemon refuses the view or falls back to another.
 */
export async function startOurs(
  node: Sandbox,
  view: View,
  instance: string,
): Promise<RunningServer | string> {
  const name = `ours-${view}-${instance}`;
  const place = placeOf(name);
  const config = `view = "${view}"\n`;
  await node.writeFile(`/etc/nix-snapshotter/${name}.toml`, config);
  const daemon = new Snapshotter({ ...place, name, config, logLevel: 'info' }, { node });
  try {
    await daemon.start();
  } catch (error) {
    const said = error instanceof StatusError && error.code === 'FailedPrecondition' ? error.message : '';
    if (!said.includes('view')) throw error;
    return `this daemon has no view ${view}`;
  }
  const shown = await viewOf(daemon);
  if (shown !== view) {
    await daemon.stop();
    return `the daemon falls back from view ${view} to ${shown}: ${daemon.process.tail(3)}`;
  }
  return {
    name: view,
    ...place,
    command: daemon.command,
    get process() {
      return daemon.process;
    },
    stop: async () => void (await daemon.stop()),
    restart: async () => await daemon.restart(),
  };
}

/** The view that a daemon says it has when it is ready, which is just after it accepts connections. */
async function viewOf(daemon: Snapshotter): Promise<string | undefined> {
  let view: string | undefined;
  await waitFor(daemon.process, async () => {
    view = /"view":"(\w+)".*"msg":"ready"/.exec(await daemon.logs())?.[1];
    return view !== undefined;
  });
  return view;
}

/** Starts containerd's own overlayfs behind a socket. */
export async function startOverlayfs(node: Sandbox, instance: string): Promise<RunningServer> {
  const { root, socket } = placeOf(`overlayfs-${instance}`);
  return await startProgram(node, OVERLAYFS, [OVERLAYFS_PROGRAM, root, socket], { root, socket });
}

/** Starts the Go nix-snapshotter. */
export async function startPeer(node: Sandbox, instance: string): Promise<RunningServer> {
  const { root, socket } = placeOf(`peer-${instance}`);
  const flags = ['--address', socket, '--root', root, '--log-level', 'error'];
  return await startProgram(node, 'Go', [PEER_PROGRAM, ...flags], { root, socket });
}

function placeOf(name: string): { root: string; socket: string } {
  return { root: `${SERVERS_DIRECTORY}/${name}`, socket: `/run/bench/${name}.sock` };
}

async function startProgram(
  node: Sandbox,
  name: string,
  command: readonly string[],
  place: { readonly root: string; readonly socket: string },
): Promise<RunningServer> {
  await node.exec(['mkdir', '-p', '/run/bench', place.root]);
  const start = async () => {
    await node.exec(['rm', '-f', place.socket]);
    const started = node.spawn(place.root.slice(SERVERS_DIRECTORY.length + 1), command);
    await waitFor(
      started,
      async () => (await node.exec(['test', '-S', place.socket], { reject: false })).exitCode === 0,
    );
    return started;
  };
  let running = await start();
  const stop = async () => void (await running.stop());
  return {
    name,
    ...place,
    command,
    get process() {
      return running;
    },
    stop,
    async restart() {
      await stop();
      running = await start();
    },
  };
}
