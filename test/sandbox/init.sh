#!/bin/sh
# init.sh RUN BASE LIFE
# First process of a sandbox's namespaces: builds the root, enters it and becomes its PID 1.
# Prints "ready PID" (PID as the host sees it) when commands can be run inside.
set -eu
run=$1 base=$2 life=$3

# The shell itself opens this, so it names this process; the host's /proc is still mounted.
read -r pid _ < /proc/self/stat

# Overlay cannot be stacked on every file system (containers in containers): use memory then.
if [ "$(stat -f -c %T "$run")" = overlayfs ]; then mount -t tmpfs -o mode=755 data "$run/data"; fi
mkdir -p "$run/data/upper" "$run/data/work" "$run/data/nix" "$run/data/lib" "$run/data/tmp" "$run/root"
chmod 1777 "$run/data/tmp"
cp -a "$run/seed/." "$run/data/upper"
root=$run/root
mount -t overlay -o "lowerdir=$base,upperdir=$run/data/upper,workdir=$run/data/work" sandbox "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"

mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do
  IFS=: read -r name major minor <<N
$node
N
  mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev shm "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

printf '%s\n' "$PLAN" | {
  while read -r _ _ at version options; do
    case $at in
      /sys/fs/cgroup) ;;
      *) [ -n "${top:-}" ] || { top=yes; mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"; } ;;
    esac
    mkdir -p "$root$at"
    if [ "$version" = 2 ]; then mount -t cgroup2 cgroup2 "$root$at"
    else mount -t cgroup -o "$options" cgroup "$root$at"; fi
  done
}

# What must not lie on an overlay: the store, containerd's and the snapshotter's roots, scratch space.
mkdir -p "$run/data/lib/dpkg"
mount --bind "$run/data/lib" "$root/var/lib"
mount --bind "$base/var/lib/dpkg" "$root/var/lib/dpkg"
mount -o remount,bind,ro "$root/var/lib/dpkg"
mount --bind "$run/data/nix" "$root/nix"
mount --bind "$run/data/tmp" "$root/tmp"
mount --bind "$run/log" "$root/var/log"
mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"

mount --bind "$PROJECT" "$root/opt/nix-snapshotter"
mount -o remount,bind,ro "$root/opt/nix-snapshotter"
mount --bind "$TOOLS" "$root/opt/tools"
mount -o remount,bind,ro "$root/opt/tools"
mount --bind "$NODE" "$root/usr/local/bin/node"
mount -o remount,bind,ro "$root/usr/local/bin/node"

echo "$SANDBOX_ID" > "$root/proc/sys/kernel/hostname"
cd "$root"
mkdir .host
pivot_root . .host
cd /
umount -l /.host
rmdir /.host
ip link set lo up

echo "ready $pid"
if [ "$life" = detached ]; then set -- sleep infinity; else set -- cat; fi
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin tini -- "$@" > /dev/null 2>&1
