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

  report.say('How they get there: each store path of the closure is mounted from the node, read-only.');
  const { stdout: mountInfo } = await shell.quietly(inContainer('cat', '/proc/self/mountinfo'));
  const mounts = mountInfo.split('\n').map(parseMount);
  const closure = mounts.filter(({ at }) => at.startsWith('/nix/store/'));
  const mounted = closure.find(({ at }) => at === redis);
  expect(mounted !== undefined, `${redis} is not mounted in the container`);
  expect(
    closure.every(({ options }) => options.includes('ro')),
    'a store path is writable in the container',
  );
  report.output(`${count(closure.length, 'read-only mount')} below /nix/store, one of them:`);
  report.output(`…${mounted.source.slice(mounted.source.lastIndexOf('/nix/store/'))} on ${mounted.at}`);
}

/** proc_pid_mountinfo(5): field 4 is the source within its file system, 5 the mount point, 6 its options. */
function parseMount(line: string): { source: string; at: string; options: readonly string[] } {
  const fields = line.split(' ');
  return { source: fields[3] ?? '', at: fields[4] ?? '', options: (fields[5] ?? '').split(',') };
}
