import { messageOf } from '../../../src/errors.ts';
import { runContainer } from '../support/container.ts';
import { GREETING, type GreeterClosure, ownImage } from '../support/greeter.ts';
import { startRegistry } from '../support/registry.ts';
import { HOSTS_DIR } from '../support/resolver-hosts.ts';
import type { Rig } from '../support/rig.ts';

/** An image that one worker alone pulls and removes, and what its container says. */
interface Subject {
  readonly image: string;
  readonly pull: readonly string[];
  readonly command: readonly string[];
  readonly says: string;
}

/** Images with a closure in common, from a registry and by their store paths: one for each worker. */
export async function imagesForWorkers(rig: Rig, made: GreeterClosure): Promise<readonly Subject[]> {
  const { address } = await startRegistry(rig.node);
  const pushed: Subject[] = [];
  for (const worker of [1, 2]) {
    const image = `${address}/greeter:${worker}`;
    await rig.nix2container(['push', await ownImage(rig, made, image)]);
    pushed.push({ image, pull: ['--plain-http'], command: [], says: GREETING });
  }
  const pull = ['--hosts-dir', HOSTS_DIR];
  const echo = [`${made.busybox}/bin/echo`, 'echoed'];
  return [
    ...pushed,
    { image: `nix:0${made.greeter}:latest`, pull, command: [], says: GREETING },
    { image: `nix:0${made.busybox}:latest`, pull, command: echo, says: 'echoed' },
  ];
}

/**
 * Pulls, runs and removes images, `cycles` times in all, one worker for each image.
 *
 * @returns what went wrong, one text for each failure.
 */
export async function pullRunRemove(
  rig: Rig,
  subjects: readonly Subject[],
  cycles: number,
): Promise<readonly string[]> {
  const failures: string[] = [];
  let begun = 0;
  const work = async ({ image, pull, command, says }: Subject) => {
    while (begun < cycles) {
      begun += 1;
      const where = `cycle ${begun}, ${image}`;
      const id = `cycle-${begun}`;
      try {
        await rig.containerd.ctr(['image', 'pull', '--snapshotter', 'nix', ...pull, image]);
        const { stdout } = await runContainer(rig, { image, id }, command);
        if (stdout !== says) failures.push(`${where}: said ${JSON.stringify(stdout)}`);
        await rig.containerd.ctr(['image', 'rm', '--sync', image]);
      } catch (error) {
        failures.push(`${where}: ${messageOf(error)}`);
      }
    }
  };
  await Promise.all(subjects.map(work));
  return failures;
}
