/** The container that redis runs in. */
export const REDIS_CONTAINER = 'redis';

/** The command line that runs an image, in the node's network; without `command`, what the image says is run. */
export function runContainer(
  flags: readonly string[],
  image: string,
  name: string,
  ...command: string[]
): readonly string[] {
  return ['ctr', 'run', ...flags, '--net-host', '--snapshotter', 'nix', image, name, ...command];
}

/** The command line that runs a program in the redis container. */
export function inContainer(...command: string[]): readonly string[] {
  return ['ctr', 'task', 'exec', '--exec-id', 'demo', REDIS_CONTAINER, ...command];
}
