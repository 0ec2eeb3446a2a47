import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { inUserNamespace } from './user-namespace.ts';

/** Magic numbers in statfs(2). */
const TMPFS_MAGIC = 0x01021994;
const OVERLAY_MAGIC = 0x794c7630;
const ECRYPTFS_MAGIC = 0xf15f;

/**
 * The options that every overlay mount on this host gets: `userxattr` inside a user namespace (not on tmpfs, kernel 5.11
 * or newer), `index=off` where the kernel knows it. Source: containerd `plugins/snapshots/overlay/overlay.go`
 * (NewSnapshotter) and `overlayutils/check.go` (NeedsUserXAttr).
 *
 * @param directory where the snapshots lie.
 */
export async function overlayOptions(directory: string): Promise<readonly string[]> {
  const options: string[] = [];
  if (inUserNamespace() && kernelAtLeast(5, 11) && (await statfs(directory)).type !== TMPFS_MAGIC) {
    options.push('userxattr');
  }
  if (existsSync('/sys/module/overlay/parameters/index')) options.push('index=off');
  return options;
}

/** True when overlay layers can be id-mapped by the mounter (kernel 5.19 or newer, not in a user namespace). */
export function supportsIdMappedOverlay(): boolean {
  return !inUserNamespace() && kernelAtLeast(5, 19);
}

/** Why this process cannot mount a view with redirects; undefined when nothing speaks against it. */
export function whyNoRedirects(): string | undefined {
  if (inUserNamespace()) {
    return 'the daemon runs in a user namespace, where the kernel allows no trusted attributes and no redirects';
  }
  return process.geteuid?.() === 0 ? undefined : 'the daemon does not run as root, so it cannot mount';
}

/** True for a file system that stands on another one: the kernel allows two such levels (FILESYSTEM_MAX_STACK_DEPTH). */
export async function isStacked(directory: string): Promise<boolean> {
  const { type } = await statfs(directory);
  return type === OVERLAY_MAGIC || type === ECRYPTFS_MAGIC;
}

function kernelAtLeast(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return ours > major || (ours === major && oursMinor >= minor);
}
