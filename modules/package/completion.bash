# Completion for bash: both programs tell their commands and flags themselves. Where they tell none, it is a file.
_nix_snapshotter() {
  local told
  told=$("$1" --get-yargs-completions "${COMP_WORDS[@]}" 2> /dev/null | grep -v '^\$0$')
  mapfile -t COMPREPLY < <(compgen -W "$told" -- "$2")
}
complete -o bashdefault -o default -F _nix_snapshotter nix-snapshotter nix2container
