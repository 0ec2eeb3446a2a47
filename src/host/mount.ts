import { runProgram } from './run-program.ts';

/**
 * Mounts a read-only overlay.
 *
 * @param lowers absolute paths without `:`, `,` and backslash, the upmost first.
 * @param options further options.
 * @throws StatusError with the words of mount(8).
 */
export async function mountReadOnlyOverlay(
  target: string,
  lowers: readonly string[],
  options: readonly string[],
): Promise<void> {
  const all = ['ro', `lowerdir=${lowers.join(':')}`, ...options].join(',');
  await runProgram('mount', [...NO_HELPERS, '-t', 'overlay', '-o', all, 'overlay', target]);
}

/** Ids on disk and ids on the host that stand for them: `first:host:count` each, as in containerd's mapping labels. */
export interface IdMapping {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/**
 * Binds a directory, without the mounts below it, read-only and with its files' ids mapped.
 *
 * @throws StatusError with the words of mount(8).
 */
export async function bindIdMapped(source: string, target: string, mapping: IdMapping): Promise<void> {
  const ranges = [
    ...mapping.users.map((range) => `u:${range}`),
    ...mapping.groups.map((range) => `g:${range}`),
  ];
  const options = `X-mount.idmap=${ranges.join(' ')},ro`;
  await runProgram('mount', [...NO_HELPERS, '--bind', '-o', options, source, target]);
}

/**
 * Makes a directory a mount of its own, which is shared with mount namespaces made later.
 *
 * @throws StatusError with the words of mount(8).
 */
export async function bindShared(directory: string): Promise<void> {
  await runProgram('mount', [...NO_HELPERS, '--bind', directory, directory]);
  await runProgram('mount', [...NO_HELPERS, '--make-shared', directory]);
}

/**
 * Why `mount` of this host cannot map ids; undefined when it can. An old one ignores the option without a word.
 * Source: util-linux 2.39 release notes (X-mount.idmap).
 */
export async function whyNoIdMapping(): Promise<string | undefined> {
  const version = (await runProgram('mount', ['--version'])).trim();
  return /\bidmapping\b/.test(version)
    ? undefined
    : `mount of util-linux 2.39 or newer (this host: ${version})`;
}

/**
 * Takes the upmost mount at `target` out of the tree; whoever still uses it keeps it.
 *
 * @throws StatusError with the words of umount(8).
 */
export async function detachMount(target: string): Promise<void> {
  await runProgram('umount', [...NO_HELPERS, '-l', target]);
}

/** Neither /etc/mtab nor a mount.<type> program that somebody installed. */
const NO_HELPERS = ['-n', '-i'];
