import { expect } from '../expect.ts';
import { measureClosure } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';
import { lastLine } from './cache.ts';
import type { DemoImages } from './images.ts';
import type { Packages } from './packages.ts';
import { REDIS_CONTAINER } from './containers.ts';

/** Shows that Nix's garbage collector takes nothing an image needs, and everything once no image is left. */
export async function collectGarbage(
  shell: NodeShell,
  images: DemoImages,
  packages: Packages,
): Promise<void> {
  const { report, node } = shell;
  const { paths } = await measureClosure(node, [packages.redis, packages.greeter]);
  report.say('nix-snapshotter holds a GC root for each Nix layer:');
  await shell.run(['nix-snapshotter', 'status']);
  await shell.run(['nix-store', '--query', '--roots', packages.redis], {
    // Nix counts running programs as roots too; they are not what is shown here.
    show: ({ stdout }) =>
      lines(stdout)
        .filter((line) => !line.startsWith('/proc/'))
        .join('\n'),
  });
  report.say('So its garbage collector takes nothing:');
  await gc(shell);
  expect((await valid(shell, paths)) === paths.length, 'a store path was collected that an image needs');

  report.say('The redis image goes. The visitors image needs redis as well, so its store paths stay:');
  await shell.quietly(['ctr', 'task', 'rm', '--force', REDIS_CONTAINER]);
  await shell.quietly(['ctr', 'container', 'rm', REDIS_CONTAINER]);
  await shell.quietly(['ctr', 'image', 'rm', '--sync', images.redis.name]);
  await gc(shell);
  report.output(`${await valid(shell, paths)} of ${paths.length} store paths of both programs are there`);
  expect((await valid(shell, paths)) === paths.length, 'a store path was collected that an image needs');

  report.say('The visitors image goes too:');
  await shell.quietly(['ctr', 'image', 'rm', '--sync', images.visitors.name]);
  await gc(shell);
  const left = await valid(shell, paths);
  report.output(`${left} of ${paths.length} store paths of both programs are there`);
  expect(left === 0, 'store paths are still held though no image is left');
}

async function gc(shell: NodeShell): Promise<void> {
  await shell.run(['nix-store', '--gc'], { show: ({ stdout }) => lastLine(stdout) });
}

/** How many of the paths are in the store. */
async function valid({ node }: NodeShell, paths: readonly string[]): Promise<number> {
  const check = ['nix-store', '--check-validity', '--print-invalid', ...paths];
  const { stdout } = await node.exec(check);
  return paths.length - lines(stdout).length;
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter(Boolean);
}
