import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { adminPath } from '../sandbox/admin-path.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

const IMAGE = '/var/lib/bench.img';
const MOUNT_POINT = '/var/lib/bench-disk';
const BYTES = 24 * 1024 ** 3;
/** Loop devices that the node gets; the kernel makes one when the highest free number is asked for. */
const LOOP_DEVICES = 64;

/**
 * Puts directories of a fresh node on a journaled ext4 of their own where the machine's is an ext4 without a journal:
 * there, deleting and then creating files is 3 to 10 times too slow (`recently_deleted` in the kernel's `fs/ext4/ialloc.c`).
 *
 * @returns what the directories lie on, in words.
 */
export async function useJournaledDisk(node: Sandbox, directories: readonly string[]): Promise<string> {
  await node.exec(['mkdir', '-p', ...directories]);
  if (await hasJournal(node.dir)) return 'the machine’s own file system';
  const image = node.hostPath(IMAGE);
  await writeFile(image, '');
  await truncate(image, BYTES);
  await execa('mkfs.ext4', ['-q', '-F', image], { env: adminPath() });
  const binds = directories.map(
    (directory) =>
      `mkdir -p ${MOUNT_POINT}${directory}; mount --bind ${MOUNT_POINT}${directory} ${directory}`,
  );
  await node.sh(`
    mknod /dev/loop-control c 10 237
    for n in $(seq 0 ${LOOP_DEVICES - 1}); do mknod /dev/loop$n b 7 $n; done
    mkdir ${MOUNT_POINT}
    mount -o loop ${IMAGE} ${MOUNT_POINT}
    ${binds.join('\n')}`);
  return 'a loop-mounted ext4 with a journal (the machine’s has none)';
}

/** False for an ext4 that has no journal; whatever is no ext4 has what takes its place. */
async function hasJournal(directory: string): Promise<boolean> {
  const { dev } = await stat(directory, { bigint: true });
  const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)];
  const device = `/sys/dev/block/${major}:${minor}`;
  if (!existsSync(device)) return true;
  const name = /^DEVNAME=(.+)$/m.exec(await readFile(`${device}/uevent`, 'utf8'))?.[1] ?? '';
  const journal = `/sys/fs/ext4/${name}/journal_task`;
  return !existsSync(journal) || !(await readFile(journal, 'utf8')).startsWith('<none>');
}
