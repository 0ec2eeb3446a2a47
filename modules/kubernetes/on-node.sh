# on-node.sh install|uninstall ID TARGET, on the node itself. With install, stdin is a tar of tree/, the programs, and then the file
# id, which says that all of tree/ has come.
# Everything can be repeated: what is as it shall be is left alone.
set -eu
action=$1 id=$2 target=$3
top=/opt/nix-snapshotter
units=/etc/systemd/system
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/nix/var/nix/profiles/default/bin
export PATH

say() { echo "nix-snapshotter: $*"; }
fail() {
  echo "nix-snapshotter: $*" >&2
  exit 1
}

command -v systemctl > /dev/null || fail "the node has no systemd: install nix-snapshotter there in another way, see docs/install.md"

# The service that runs containerd.
case $target in
containerd) runtime=containerd.service ;;
k3s) if systemctl is-active --quiet k3s-agent.service; then runtime=k3s-agent.service; else runtime=k3s.service; fi ;;
*) fail "TARGET=$target: containerd or k3s" ;;
esac

setup() { "$top/current/bin/nix-snapshotter" setup "--$target" "$@"; }

# The units are part of what the id says.
start() {
  say "starting $id"
  cp "$top/current/units/nix-snapshotter.socket" "$top/current/units/nix-snapshotter.service" "$units"
  systemctl daemon-reload
  systemctl enable --quiet --now nix-snapshotter.socket
  systemctl enable --quiet nix-snapshotter.service
  systemctl restart nix-snapshotter.service
  sync -f "$units"
  echo "$id" > "$top/started"
}

# What is still to be done is seen in files, should this be stopped before it is done.
install() {
  command -v nix-store > /dev/null || fail "the node has no Nix: install it first (Debian, Ubuntu: nix-bin)"
  if [ ! -d "$top/$id" ]; then
    rm -rf "$top/new"
    mkdir -p "$top/new"
    tar -xf - -C "$top/new"
    [ -e "$top/new/id" ] || fail "the programs have not come whole"
    # No power cut leaves a name without its files.
    sync -f "$top/new"
    mv "$top/new/tree" "$top/$id"
  fi
  ln -sfn "$id" "$top/new-current"
  mv -T "$top/new-current" "$top/current"
  planned=$(setup --dry-run)
  case $planned in
  *"nothing to change"*) say "$target is set up" ;;
  *)
    : > "$top/restart-due"
    setup
    ;;
  esac
  if [ -e "$top/restart-due" ] || [ ! -e "$top/started" ] || [ "$(cat "$top/started")" != "$id" ]; then start; fi
  if [ -e "$top/restart-due" ]; then
    say "restarting $runtime"
    systemctl restart "$runtime"
    rm "$top/restart-due"
  fi
  for old in "$top"/*/; do
    case $old in "$top/current/" | "$top/$id/") ;; *) rm -rf "$old" ;; esac
  done
  say "$id is installed"
}

uninstall() {
  if [ -e "$top/current" ]; then
    setup --undo
    systemctl restart "$runtime"
    for unit in nix-snapshotter.socket nix-snapshotter.service; do
      if [ -e "$units/$unit" ]; then
        systemctl disable --quiet --now $unit
        rm "$units/$unit"
      fi
    done
    systemctl daemon-reload
    rm "$top/current"
  fi
  rm -rf "$top"
  say "removed; its state, /var/lib/containerd/io.containerd.snapshotter.v1.nix, is left"
}

$action
