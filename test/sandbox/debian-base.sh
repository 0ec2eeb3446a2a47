#!/bin/sh
# debian-base.sh SUITE TARGET MIRROR PACKAGE...
# Unpacks a minimal Debian into TARGET and installs the packages. Runs in its own mount and PID namespace
# (the caller makes them), so nothing survives it. APT_SETTINGS: lines for the folder's apt.conf. LOG: gets the output.
set -eu
exec > "$LOG" 2>&1
suite=$1 target=$2 mirror=$3
shift 3

debootstrap --variant=minbase "$suite" "$target" "$mirror"

# A folder without services: maintainer scripts must not start any.
printf '#!/bin/sh\nexit 101\n' > "$target/usr/sbin/policy-rc.d"
chmod 755 "$target/usr/sbin/policy-rc.d"
printf '%s' "$APT_SETTINGS" > "$target/etc/apt/apt.conf.d/90testbed"
printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' \
  > "$target/etc/dpkg/dpkg.cfg.d/90testbed"
if [ -e /etc/resolv.conf ]; then cat /etc/resolv.conf > "$target/etc/resolv.conf"; fi
cat /etc/hosts > "$target/etc/hosts"

mount -t proc proc "$target/proc"
chroot "$target" apt-get update -qq
DEBIAN_FRONTEND=noninteractive chroot "$target" \
  apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$@" < /dev/null
chroot "$target" apt-get clean
umount "$target/proc"

rm -rf "$target"/var/lib/apt/lists/* "$target/etc/apt/apt.conf.d/90testbed"
printf '127.0.0.1 localhost\n::1 localhost\n' > "$target/etc/hosts"
: > "$target/etc/resolv.conf"
mkdir -p "$target/nix" "$target/opt/tools" "$target/opt/nix-snapshotter"
: > "$target/usr/local/bin/node"
chroot "$target" dpkg-query -W -f '${Package} ${Version}\n' > "$target/.versions"
