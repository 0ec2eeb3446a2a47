#!/bin/sh
# supervisor.sh INIT RUN BASE LIFE
# Outlives the test runner just long enough to clean up: makes the namespaces, waits for their end and
# removes the cgroups. PLAN: the cgroups, one per line: "directory processes-directory mount-point version options".
# LIFE: "stdin" (the sandbox ends when standard input does) or "detached".
set -u
init=$1 run=$2 base=$3 life=$4

# Controllers can be delegated in version 2 only from a cgroup without processes: the processes of a pure
# version-2 hierarchy leave the top of their tree, which stays the top of the cgroup namespace.
# shellcheck disable=SC2016
leave_top='
while read -r dir processes _; do
  [ "$dir" != "$processes" ] || continue
  echo 0 > "$processes/cgroup.procs"
  read -r controllers < "$dir/cgroup.controllers" || controllers=
  for controller in $controllers; do echo "+$controller" > "$dir/cgroup.subtree_control"; done
done <<P
$PLAN
P
exec unshare --mount --uts --ipc --net --pid --fork --kill-child sh "$@"'

(
  set -e
  while read -r dir _; do echo 0 > "$dir/cgroup.procs"; done <<P
$PLAN
P
  exec unshare --cgroup sh -euc "$leave_top" sh "$init" "$run" "$base" "$life"
)
code=$?
# shellcheck disable=SC2046
sh -c "$REMOVE" sh $(printf '%s\n' "$PLAN" | cut -d' ' -f1)
exit $code
