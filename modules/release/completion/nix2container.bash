# written by npm run docs: do not edit
_nix2container() {
  local word command= words
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    build | index | load | push) command=$word && break ;;
    esac
  done
  case $command:$previous in
  build:-a | build:--address) return ;;
  build:-n | build:--namespace) return ;;
  build:-l | build:--log-level) return ;;
  build:-o | build:--out) return ;;
  build:--config) return ;;
  build:--closure) return ;;
  build:--copy-to-root) return ;;
  build:--from-image) return ;;
  build:--perms) return ;;
  build:--fake-root) return ;;
  build:--ref) return ;;
  build:--platform) return ;;
  build:--format) COMPREPLY=($(compgen -W 'oci-archive oci-layout docker-archive' -- "$current")) && return ;;
  build:--compression) COMPREPLY=($(compgen -W 'gzip zstd none' -- "$current")) && return ;;
  build:--annotate) COMPREPLY=($(compgen -W 'closure paths' -- "$current")) && return ;;
  build:--entrypoint) return ;;
  build:--cmd) return ;;
  build:-e | build:--env) return ;;
  build:--label) return ;;
  build:--user) return ;;
  build:--workdir) return ;;
  build:--real-store) return ;;
  index:-a | index:--address) return ;;
  index:-n | index:--namespace) return ;;
  index:-l | index:--log-level) return ;;
  index:-o | index:--out) return ;;
  index:--ref) return ;;
  index:--format) COMPREPLY=($(compgen -W 'oci-archive oci-layout' -- "$current")) && return ;;
  load:-a | load:--address) return ;;
  load:-n | load:--namespace) return ;;
  load:-l | load:--log-level) return ;;
  load:--snapshotter) return ;;
  load:--ref) return ;;
  load:--platform) return ;;
  push:-a | push:--address) return ;;
  push:-n | push:--namespace) return ;;
  push:-l | push:--log-level) return ;;
  push:--ref) return ;;
  :-a | :--address) return ;;
  :-n | :--namespace) return ;;
  :-l | :--log-level) return ;;
  esac
  case $command in
  build) words='--help --version -a --address -n --namespace -l --log-level -o --out --config --closure --copy-to-root --from-image --layered --perms --fake-root --ref --platform --format --compression --annotate --entrypoint --cmd -e --env --label --user --workdir --real-store' ;;
  index) words='--help --version -a --address -n --namespace -l --log-level -o --out --ref --format' ;;
  load) words='--help --version -a --address -n --namespace -l --log-level --snapshotter --ref --platform' ;;
  push) words='--help --version -a --address -n --namespace -l --log-level --ref --plain-http' ;;
  *) words='--help --version -a --address -n --namespace -l --log-level build index load push' ;;
  esac
  case $current in
  -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  *) [ -n "$command" ] || COMPREPLY=($(compgen -W "build index load push" -- "$current")) ;;
  esac
}
complete -o bashdefault -o default -F _nix2container nix2container
