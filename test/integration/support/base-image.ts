import { busyboxEntries } from '../../fixtures/images.ts';
import { type LayerEntry, ociArchive } from '../../fixtures/oci-archive.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

/** What `id` says of {@link baseArchive}'s `appuser`. */
export const APP_USER_ID = 'uid=1001(appuser) gid=1001(appuser) groups=10(wheel),44(render),1001(appuser)';

export interface BaseImageOptions {
  readonly name: string;
  /** Further members of its only layer. */
  readonly entries?: readonly LayerEntry[];
  /** The image config's `config`. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** An ordinary image as an OCI archive: busybox, and the user `appuser` with supplementary groups. */
export async function baseArchive(node: Sandbox, options: BaseImageOptions): Promise<Buffer> {
  const busybox = (await busyboxEntries(node)).filter(({ path }) => !/^etc\/(passwd|group)$/.test(path));
  const users: readonly LayerEntry[] = [
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nappuser:x:1001:1001::/:/bin/sh\n' },
    {
      path: 'etc/group',
      content: 'root:x:0:\nwheel:x:10:appuser\nrender:x:44:appuser\nappuser:x:1001:\n',
    },
  ];
  return await ociArchive({
    name: options.name,
    layers: [{ entries: [...busybox, ...users, ...(options.entries ?? [])] }],
    ...(options.config === undefined ? {} : { config: options.config }),
  });
}
