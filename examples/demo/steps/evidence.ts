import { expect } from '../expect.ts';
import { count } from '../format.ts';
import type { NodeShell } from '../node-shell.ts';
import type { Packages } from './packages.ts';
import { inContainer } from './containers.ts';

/** Shows that the files redis runs from are those of the node's own store. */
export async function showOrigin(shell: NodeShell, { redis }: Packages): Promise<void> {
  const { report } = shell;
  const program = `${redis}/bin/redis-server`;
  report.say('The same file, seen from inside the container and on the node: one inode, no copy.');
  const stat = ['stat', '-c', 'inode %i, %s bytes', program];
  const seen = await shell.run(inContainer(...stat));
  const own = await shell.run(stat);
  expect(seen.stdout === own.stdout, `${program} is another file in the container`);

  report.say('Every shared library that the server has loaded:');
  const { stdout: maps } = await shell.quietly(inContainer('cat', '/proc/1/maps'));
  const loaded = [...new Set(maps.match(/\/\S+\.so[.\d]*$/gm))].toSorted();
  report.output(loaded.join('\n'));
  expect(
    loaded.length > 0 && loaded.every((file) => file.startsWith('/nix/store/')),
    'a library is not in the store',
  );

  report.say(
    'How they get there: one mount on the node shows the closure, as a layer of the root of every container.',
  );
  const { stdout: mountInfo } = await shell.quietly(inContainer('cat', '/proc/self/mountinfo'));
  const mounts = mountInfo.split('\n').map(parseMount);
  const view = /[:=]([^:,]+\/view\/root)[:,]/.exec(
    mounts.find(({ at }) => at === '/')?.superOptions ?? '',
  )?.[1];
  expect(
    view !== undefined,
    'the root of the container has no view among its layers; `nix-snapshotter status` says why',
  );
  expect(!mounts.some(({ at }) => at.startsWith('/nix')), 'the store is mounted in the container');
  report.output(`${count(mounts.length, 'mount')} in the container, none of them at or below /nix`);
  report.output(`a layer of its root: ${view}`);

  report.say('What a container changes there is its own; the store of the node stays as it is.');
  await shell.run(inContainer('rm', program));
  const kept = await shell.run(stat);
  expect(kept.stdout === own.stdout, `${program} is not what it was on the node`);
}

interface MountLine {
  readonly at: string;
  readonly superOptions: string;
}

/** proc_pid_mountinfo(5): field 5 is the mount point, the last one the options of the file system. */
function parseMount(line: string): MountLine {
  const fields = line.split(' ');
  return { at: fields[4] ?? '', superOptions: fields.at(-1) ?? '' };
}
