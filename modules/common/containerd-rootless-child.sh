# In RootlessKit's namespaces: brings directories of the user's to where containerd and its clients look, and becomes containerd.
: "${HOME:?is not set}"
: "${XDG_DATA_HOME:=$HOME/.local/share}"
: "${XDG_CONFIG_HOME:=$HOME/.config}"

# /etc and /run are directories of links to the host's there: what is not to be the host's has to be there itself.
own() {
  if [ -L "$1" ]; then rm "$1"; fi
  mkdir -p "$1"
}

# iptables would wait for the host's.
rm -f /run/xtables.lock

# Certificates are found by links that do not lead there from the copy of /etc.
certificates=$(realpath /etc/ssl)
own /etc/ssl
mount --rbind "$certificates" /etc/ssl

# $1 is of the user's, $2 is where it has to be.
show() {
  mkdir -p "$1"
  own "$2"
  mount --bind "$1" "$2"
}
