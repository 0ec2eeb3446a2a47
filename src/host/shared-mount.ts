import { readFile } from 'node:fs/promises';
import { bindShared } from './mount.ts';
import { realPath } from './mounts-below.ts';

/**
 * Sees to it that what is mounted below a directory appears in other mount namespaces, too: those that were made after this, and
 * earlier ones where the directory's file system was shared already, as systemd shares all.
 *
 * @param directory exists; symlinks to it are followed.
 * @throws StatusError with the words of mount(8).
 */
export async function shareMounts(directory: string): Promise<void> {
  const real = await realPath(directory);
  if (isShared(real, await readFile('/proc/self/mountinfo', 'utf8'))) return;
  await bindShared(real);
}

/** True when the mount that holds `directory` is shared. Source: proc_pid_mountinfo(5). */
export function isShared(directory: string, mountinfo: string): boolean {
  let holder: { readonly at: string; readonly shared: boolean } | undefined;
  for (const line of mountinfo.split('\n')) {
    const [, , , , escaped, , ...rest] = line.split(' ');
    if (escaped === undefined) continue;
    const at = escaped.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const holds = at === '/' || directory === at || directory.startsWith(`${at}/`);
    // Of mounts on one place the last one is on top.
    if (!holds || (holder !== undefined && at.length < holder.at.length)) continue;
    const optional = rest.slice(0, rest.indexOf('-'));
    holder = { at, shared: optional.some((field) => field.startsWith('shared:')) };
  }
  return holder?.shared ?? false;
}
