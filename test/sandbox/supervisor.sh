#!/bin/sh
# supervisor.sh INIT RUN BASE LIFE
# Outlives the test runner just long enough to clean up: makes the namespaces, waits for their end and
# removes the cgroups. PLAN: the cgroups, one per line: "directory processes-directory mount-point version options".
# LIFE: "stdin" (the sandbox ends when standard input does) or "detached".
set -u
init=$1 run=$2 base=$3 life=$4

(
  set -e
  while read -r dir _; do echo 0 > "$dir/cgroup.procs"; done <<P
$PLAN
P
  exec unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child \
    sh "$init" "$run" "$base" "$life"
)
code=$?
# shellcheck disable=SC2046
sh -c "$REMOVE" sh $(printf '%s\n' "$PLAN" | cut -d' ' -f1)
exit $code
