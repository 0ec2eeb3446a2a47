#!/bin/sh
# run.sh install|uninstall|ready: what the container of the DaemonSet does. TARGET is what setup sets up: containerd or k3s.
# Needs hostPID and privileged: all work is done by the node's own programs, in the namespaces of its first process.
set -eu
here=/nix-snapshotter

on_node() { nsenter --target 1 --mount --uts --ipc --net -- "$@"; }
script() { on_node /bin/sh -euc "$(cat $here/on-node.sh)" nix-snapshotter "$@"; }

case $1 in
install) tar -C $here -cf - tree id | script install "$(cat $here/id)" "$TARGET" ;;
uninstall) script uninstall "$(cat $here/id)" "$TARGET" < /dev/null ;;
ready)
  [ -e $here/done ] || exit 1
  [ "$(cat $here/done)" = uninstall ] || on_node /opt/nix-snapshotter/current/bin/nix-snapshotter status > /dev/null
  exit
  ;;
esac
echo "$1" > $here/done

# The work is done; the pod stays, so that its DaemonSet knows.
trap 'exit 0' TERM INT
while :; do
  sleep 3600 &
  wait $!
done
