import type { ExecResult } from '../../sandbox/sandbox.ts';
import { type Rig, eventually } from './rig.ts';

export interface RunOptions {
  readonly image: string;
  readonly id: string;
  /** `default` unless told. */
  readonly namespace?: string;
  /** Further flags of `ctr run`. */
  readonly flags?: readonly string[];
  /** Whether a run that fails is an error, which it is unless told. */
  readonly reject?: boolean;
}

/** runc 1.1 was seen to lose its own first process, before that has looked at anything of the container. */
const INIT_LOST = /waiting for init preliminary setup: read init-p: connection reset by peer/;

let runs = 0;

/**
 * Runs a container by `ctr` to its end; without a command, the image's own.
 *
 * Its output goes through a file, and so `stdout` has what the container says on stderr, too: `ctr` itself now and then loses
 * all or the end of an output (of 2.4 in about one run in a hundred, with containerd's own overlayfs too).
 *
 * @throws Error with what `ctr` says, unless `reject` is false.
 */
export async function runContainer(
  { containerd, node }: Rig,
  { image, id, namespace = 'default', flags = [], reject = true }: RunOptions,
  command: readonly string[] = [],
): Promise<ExecResult> {
  runs += 1;
  const output = `/tmp/container-output/${runs}`;
  await node.writeFile(output, '');
  const log = ['--log-uri', `file://${output}`];
  const run = ['run', '--rm', '--snapshotter', 'nix', ...log, ...flags, image, id, ...command];
  const start = async () => await containerd.ctr(['-n', namespace, ...run], { reject: false });
  let result = await start();
  if (INIT_LOST.test(result.stderr)) result = await start();
  if (reject && result.exitCode !== 0)
    throw new Error(`container ${id} of ${image} failed (exit code ${result.exitCode}): ${result.stderr}`);
  return { ...result, stdout: (await node.readFile(output)).replace(/\n$/, '') };
}

/** A running container; disposing of it ends and deletes it. */
export interface Container extends AsyncDisposable {
  readonly id: string;
  /** Where the node has its root file system mounted. */
  readonly rootfs: string;
  /** Runs a shell text with the container's root file system and mounts, whatever its exit code is. */
  exec(text: string): Promise<ExecResult>;
}

/** Starts a container that sleeps; its image has busybox. */
export async function startContainer(
  rig: Rig,
  { image, id, namespace = 'default', flags = [] }: RunOptions,
): Promise<Container> {
  const { node, containerd } = rig;
  const sleep = [...flags, image, id, 'sleep', '1000'];
  const run = ['-n', namespace, 'run', '--detach', '--snapshotter', 'nix', ...sleep];
  const { exitCode, stderr } = await containerd.ctr(run, { reject: false });
  if (exitCode !== 0) {
    if (!INIT_LOST.test(stderr)) throw new Error(`container ${id} cannot be started: ${stderr}`);
    await deleteContainer(rig, id, namespace);
    await containerd.ctr(run);
  }
  const tasks = (await containerd.ctr(['-n', namespace, 'task', 'ls'])).stdout.split('\n');
  const pid = tasks.map((line) => line.split(/\s+/)).find(([name]) => name === id)?.[1];
  if (pid === undefined) throw new Error(`containerd has no task of container ${id}: ${tasks.join('; ')}`);
  return {
    id,
    rootfs: `/run/containerd/io.containerd.runtime.v2.task/${namespace}/${id}/rootfs`,
    async exec(text) {
      const enter = ['nsenter', '--target', pid, '--mount', '--root', '--wd=/proc/self/root'];
      return await node.exec([...enter, 'sh', '-c', text], { reject: false });
    },
    async [Symbol.asyncDispose]() {
      await deleteContainer(rig, id, namespace);
    },
  };
}

/** Kills a container's task, if it runs, and deletes both. */
export async function deleteContainer({ containerd }: Rig, id: string, namespace = 'default'): Promise<void> {
  const ctr = async (...args: readonly string[]) =>
    await containerd.ctr(['-n', namespace, ...args], { reject: false });
  await eventually(async () => {
    await ctr('task', 'kill', '--signal', 'KILL', id);
    await ctr('task', 'delete', id);
    const { exitCode, stderr } = await ctr('container', 'delete', id);
    if (exitCode !== 0) throw new Error(`container ${id} cannot be deleted: ${stderr}`);
  });
}
