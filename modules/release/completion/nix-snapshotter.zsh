#compdef nix-snapshotter
# written by npm run docs: do not edit
_nix_snapshotter() {
  local -a commands=(
    'status:Show what the running daemon holds and does'
    'doctor:Look for what is wrong on this host, and say how to mend it; changes nothing without --repair'
    'rootless:Run the daemon in the namespaces of this user'\''s RootlessKit'
    'view-helper:Make views for the rootless daemon of one user; needs root'
    'setup:Make containerd and its clients use the daemon, or undo that'
  )
  local word command=
  for word in ${words[2,CURRENT-1]}; do
    if [[ -n ${(M)commands:#$word:*} ]]; then
      command=$word
      break
    fi
  done
  case $command in
  status)
    _arguments -S '--version[Show version number]' '--help[Show help]' '-a[Unix socket of the daemon]:value:_files' '--address[Unix socket of the daemon]:value:_files' '-c[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--config[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--json[Print JSON]' '-w[Go on until Ctrl-C\: drawn anew on a terminal, else a line for each change, or for each look with --json]' '--watch[Go on until Ctrl-C\: drawn anew on a terminal, else a line for each change, or for each look with --json]' '--interval[Seconds between two looks with --watch, 0.1 to 3600]:value:_files' '*:file:_files'
    ;;
  doctor)
    _arguments -S '--version[Show version number]' '--help[Show help]' '-a[Unix socket of the daemon]:value:_files' '--address[Unix socket of the daemon]:value:_files' '-c[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--config[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--repair[Mend snapshots that are damaged or lost, here and in containerd]' '--root[With --repair, directory of a daemon that does not run]:value:_files' '--dry-run[With --repair, only show what would be done]' '--json[Print JSON]' '*:file:_files'
    ;;
  rootless)
    _arguments -S '--version[Show version number]' '--help[Show help]' '--check[Only say what hinders containers without root here]' '-a[Unix socket to serve gRPC on \[$XDG_RUNTIME_DIR/nix-snapshotter/nix-snapshotter.sock\]]:value:_files' '--address[Unix socket to serve gRPC on \[$XDG_RUNTIME_DIR/nix-snapshotter/nix-snapshotter.sock\]]:value:_files' '--root[Directory for metadata, snapshots and GC roots \[~/.local/share/nix-snapshotter\]]:value:_files' '-c[Configuration file \[~/.config/nix-snapshotter/config.toml\]]:value:_files' '--config[Configuration file \[~/.config/nix-snapshotter/config.toml\]]:value:_files' '-l[Least severe level that is logged]:value:(trace debug info warn error fatal)' '--log-level[Least severe level that is logged]:value:(trace debug info warn error fatal)' '--state-dir[State directory of containerd'\''s RootlessKit \[$XDG_RUNTIME_DIR/containerd-rootless\]]:value:_files' '*:file:_files'
    ;;
  view-helper)
    _arguments -S '--version[Show version number]' '--help[Show help]' '--user[Id of the user who may ask for views]:value:_files' '-c[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--config[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '-l[Least severe level that is logged]:value:(trace debug info warn error fatal)' '--log-level[Least severe level that is logged]:value:(trace debug info warn error fatal)' '*:file:_files'
    ;;
  setup)
    _arguments -S '--version[Show version number]' '--help[Show help]' '--containerd[Set up containerd, with CRI and the kubelet]' '--hosts[Only lead the reserved hosts to the resolver, where containerd is configured otherwise]' '--k3s[Set up k3s]' '--nerdctl[Set up nerdctl]' '--podman[Set up podman, buildah and skopeo]' '--print[Only show the files, to be placed by hand]' '--dry-run[Only show what would change]' '--undo[Remove what setup wrote\: for these, or for all when none is given]' '-c[The daemon'\''s configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--config[The daemon'\''s configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--root-dir[Top of a file tree to set up in place of this node, such as an image that is built]:value:_files' '--containerd-version[Version of a containerd that cannot be asked, such as 2.3.7]:value:_files' '*:file:_files'
    ;;
  *)
    _arguments -S '--version[Show version number]' '--help[Show help]' '-a[Unix socket to serve gRPC on]:value:_files' '--address[Unix socket to serve gRPC on]:value:_files' '--root[Directory for metadata, snapshots and GC roots]:value:_files' '-c[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '--config[Configuration file \[/etc/nix-snapshotter/config.toml\]]:value:_files' '-l[Least severe level that is logged]:value:(trace debug info warn error fatal)' '--log-level[Least severe level that is logged]:value:(trace debug info warn error fatal)' '1:command:{_describe command commands}'
    ;;
  esac
}
_nix_snapshotter "$@"
