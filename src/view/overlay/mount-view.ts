import { mountReadOnlyOverlay } from '../../host/mount.ts';

/** What the kernel needs to follow the redirects of the metadata. */
const OPTIONS = ['redirect_dir=follow', 'metacopy=on'];

/** Mounts a view's metadata over the store. Throws StatusError with the words of mount(8). */
export function mountView(metadata: string, store: string, target: string): Promise<void> {
  return mountReadOnlyOverlay(target, [metadata, store], OPTIONS);
}
