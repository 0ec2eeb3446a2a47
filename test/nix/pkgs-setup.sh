# What a builder's text finds: the shell's options and functions that nixpkgs' stdenv and its hooks have.
set -euo pipefail
export TMPDIR=$NIX_BUILD_TOP HOME=$NIX_BUILD_TOP/home SOURCE_DATE_EPOCH=1

# A build cannot ask Nix, as in its sandbox.
mkdir "$NIX_BUILD_TOP/.no-nix"
for program in nix nix-build nix-instantiate nix-store; do
  printf '#!/bin/sh\necho "%s: there is no Nix in a build" >&2\nexit 127\n' $program > "$NIX_BUILD_TOP/.no-nix/$program"
done
chmod +x "$NIX_BUILD_TOP"/.no-nix/*
PATH=$NIX_BUILD_TOP/.no-nix:$PATH

# linkTree FROM TO first|refuse: TO gets FROM's directories, and links to its files.
linkTree() {
  local from=$1 to=$2 onConflict=$3 entry target
  if [ ! -d "$from" ]; then echo "$from: no directory" >&2; return 1; fi
  mkdir -p "$to"
  for entry in "$from"/* "$from"/.[!.]*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    target=$to/${entry##*/}
    if [ -d "$entry" ]; then linkTree "$entry" "$target" "$onConflict"
    elif [ ! -e "$target" ] && [ ! -L "$target" ]; then ln -s "$entry" "$target"
    elif [ "$onConflict" = refuse ] && [ "$(readlink -f "$target")" != "$(readlink -f "$entry")" ]; then
      echo "$entry and $(readlink "$target") claim $target" >&2
      return 1
    fi
  done
}

# Phases may be texts of the package; hooks are texts or functions.
runHook() {
  if declare -F "$1" > /dev/null; then "$1"; else eval "${!1-}"; fi
}

makeWrapper() {
  local program=$1 wrapper=$2 flags='' lines=''
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
      --add-flags) flags="$flags $2"; shift 2 ;;
      --suffix) lines+="export $2=\${$2:+\$$2$3}$(printf %q "$4")"$'\n'; shift 4 ;;
      *) echo "makeWrapper: $1 is not known here" >&2; return 1 ;;
    esac
  done
  mkdir -p "$(dirname "$wrapper")"
  printf '#!/bin/sh\n%sexec %q%s "$@"\n' "$lines" "$program" "$flags" > "$wrapper"
  chmod +x "$wrapper"
}

. "$buildCommandPath"
