# Starts a program in the namespaces of a RootlessKit of the user's own.
: "${XDG_RUNTIME_DIR:?is not set: log in as the user (ssh, machinectl shell; not su or sudo), or loginctl enable-linger USER}"
if [ ! -w "$XDG_RUNTIME_DIR" ]; then
  echo "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR cannot be written: log in as the user (ssh, machinectl shell; not su or sudo)" >&2
  exit 1
fi
for program in newuidmap newgidmap; do
  if ! command -v "$program" > /dev/null; then
    echo "$program is not in PATH ($PATH): install the distribution's package uidmap (Debian, Ubuntu) or shadow-utils (Fedora); it has to be setuid, so Nix's own does not do" >&2
    exit 1
  fi
done
# In the namespaces nobody can tell any more.
if command -v selinuxenabled > /dev/null && selinuxenabled; then
  export CONTAINERD_ROOTLESS_SELINUX=1
fi
exec rootlesskit \
  --state-dir="$XDG_RUNTIME_DIR/containerd-rootless" \
  --net=slirp4netns --mtu=65520 --disable-host-loopback --port-driver=builtin \
  --copy-up=/etc --copy-up=/run --copy-up=/var/lib \
  --propagation=rslave \
  "$@"
