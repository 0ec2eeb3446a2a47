# written by npm run docs: do not edit
_nix_snapshotter() {
  local word command= words
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    status | doctor | rootless | view-helper | setup) command=$word && break ;;
    esac
  done
  case $command:$previous in
  status:-a | status:--address) return ;;
  status:-c | status:--config) return ;;
  status:--interval) return ;;
  doctor:-a | doctor:--address) return ;;
  doctor:-c | doctor:--config) return ;;
  doctor:--root) return ;;
  rootless:-a | rootless:--address) return ;;
  rootless:--root) return ;;
  rootless:-c | rootless:--config) return ;;
  rootless:-l | rootless:--log-level) COMPREPLY=($(compgen -W 'trace debug info warn error fatal' -- "$current")) && return ;;
  rootless:--state-dir) return ;;
  view-helper:--user) return ;;
  view-helper:-c | view-helper:--config) return ;;
  view-helper:-l | view-helper:--log-level) COMPREPLY=($(compgen -W 'trace debug info warn error fatal' -- "$current")) && return ;;
  setup:-c | setup:--config) return ;;
  setup:--root-dir) return ;;
  setup:--containerd-version) return ;;
  :-a | :--address) return ;;
  :--root) return ;;
  :-c | :--config) return ;;
  :-l | :--log-level) COMPREPLY=($(compgen -W 'trace debug info warn error fatal' -- "$current")) && return ;;
  esac
  case $command in
  status) words='--version --help -a --address -c --config --json -w --watch --interval' ;;
  doctor) words='--version --help -a --address -c --config --repair --root --dry-run --json' ;;
  rootless) words='--version --help --check -a --address --root -c --config -l --log-level --state-dir' ;;
  view-helper) words='--version --help --user -c --config -l --log-level' ;;
  setup) words='--version --help --containerd --hosts --k3s --nerdctl --podman --print --dry-run --undo -c --config --root-dir --containerd-version' ;;
  *) words='--version --help -a --address --root -c --config -l --log-level status doctor rootless view-helper setup' ;;
  esac
  case $current in
  -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  *) [ -n "$command" ] || COMPREPLY=($(compgen -W "status doctor rootless view-helper setup" -- "$current")) ;;
  esac
}
complete -o bashdefault -o default -F _nix_snapshotter nix-snapshotter
