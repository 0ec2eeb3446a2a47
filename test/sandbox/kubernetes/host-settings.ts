import type { Sandbox } from '../sandbox.ts';

/**
 * Kernel settings that belong to no namespace and that a kubelet sets at its start (`setupKernelTunables` of
 * `pkg/kubelet/cm`).
 */
export const KUBELET_SETTINGS = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
] as const;

/**
 * Puts an ordinary file over each of {@link KUBELET_SETTINGS} in the node: what a kubelet writes there changes
 * nothing on this machine, so nothing has to be restored, however the node ends. Makes `/dev/kmsg`, which it reads.
 *
 * The kernel lets a user namespace mount proc only where a proc is mounted of which nothing is hidden: so there is another.
 */
export async function separateFromHost(node: Sandbox): Promise<void> {
  await node.sh(
    `dir=/run/kubelet-settings
    mkdir -p $dir/proc
    mountpoint -q $dir/proc || mount -t proc -o nosuid,nodev,noexec proc $dir/proc
    [ -e /dev/kmsg ] || mknod -m 600 /dev/kmsg c 1 11
    for name in ${KUBELET_SETTINGS.join(' ')}; do
      file=$dir/$(echo $name | tr / .)
      [ ! -e $file ] || continue
      cat /proc/sys/$name > $file
      mount --bind $file /proc/sys/$name
    done`,
  );
}
