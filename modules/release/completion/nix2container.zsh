#compdef nix2container
# written by npm run docs: do not edit
_nix2container() {
  local -a commands=(
    'build:Build an image from store paths\: build [options] OUT, or build [options] STORE-PATH... [OUT]'
    'index:Join images for different platforms into one image index'
    'load:Load an archive or layout into containerd and unpack it'
    'push:Push the image of an archive or layout to a registry'
  )
  local word command=
  for word in ${words[2,CURRENT-1]}; do
    if [[ -n ${(M)commands:#$word:*} ]]; then
      command=$word
      break
    fi
  done
  case $command in
  build)
    _arguments -S '--help[Show help]' '--version[Show version number]' '-a[containerd socket]:value:_files' '--address[containerd socket]:value:_files' '-n[containerd namespace]:value:_files' '--namespace[containerd namespace]:value:_files' '-l[taken for compatibility; "error" hides warnings]:value:_files' '--log-level[taken for compatibility; "error" hides warnings]:value:_files' '-o[file (or, for oci-layout, directory) to write]:value:_files' '--out[file (or, for oci-layout, directory) to write]:value:_files' '--config[JSON file with the config object of the OCI image specification]:value:_files' '--closure[store-paths file of a closureInfo; without it Nix is asked]:value:_files' '--copy-to-root[store directory to link at /, or JSON file with a list of them; repeatable]:value:_files' '--from-image[base image\: OCI layout, OCI archive, docker archive, or JSON image of nlewo/nix2container]:value:_files' '--layered[layers hold the store paths, for any client; this snapshotter downloads none of them]' '--perms[JSON file\: owners and modes of what --copy-to-root shows]:value:_files' '--fake-root[tar file that becomes the topmost layer as it is]:value:_files' '--ref[image name; default\: nix\:0OUT\:latest in the store, else localhost/FILE\:latest]:value:_files' '--platform[os/arch\[/variant\]; default\: what the programs in the image are built for]:value:_files' '--format[what to write]:value:(oci-archive oci-layout docker-archive)' '--compression[of the layers that are added]:value:(gzip zstd none)' '--annotate[name the closure by a closureInfo made by Nix, or path by path (older format)]:value:(closure paths)' '--entrypoint[a word of the entrypoint, or a JSON array; repeatable]:value:_files' '--cmd[a word of the command, or a JSON array; repeatable]:value:_files' '-e[NAME=VALUE; repeatable]:value:_files' '--env[NAME=VALUE; repeatable]:value:_files' '--label[NAME=VALUE; repeatable]:value:_files' '--user[user or uid, with \:group or \:gid]:value:_files' '--workdir[working directory]:value:_files' '--real-store[directory that holds what containers see as /nix/store]:value:_files' '*:file:_files'
    ;;
  index)
    _arguments -S '--help[Show help]' '--version[Show version number]' '-a[containerd socket]:value:_files' '--address[containerd socket]:value:_files' '-n[containerd namespace]:value:_files' '--namespace[containerd namespace]:value:_files' '-l[taken for compatibility; "error" hides warnings]:value:_files' '--log-level[taken for compatibility; "error" hides warnings]:value:_files' '-o[file (or, for oci-layout, directory) to write]:value:_files' '--out[file (or, for oci-layout, directory) to write]:value:_files' '--ref[image name; default\: nix\:0OUT\:latest in the store, else localhost/FILE\:latest]:value:_files' '--format[what to write]:value:(oci-archive oci-layout)' '*:file:_files'
    ;;
  load)
    _arguments -S '--help[Show help]' '--version[Show version number]' '-a[containerd socket]:value:_files' '--address[containerd socket]:value:_files' '-n[containerd namespace]:value:_files' '--namespace[containerd namespace]:value:_files' '-l[taken for compatibility; "error" hides warnings]:value:_files' '--log-level[taken for compatibility; "error" hides warnings]:value:_files' '--snapshotter[snapshotter to unpack with]:value:_files' '--ref[image name, instead of those in the archive]:value:_files' '--platform[which image of a multi-platform archive to unpack]:value:_files' '*:file:_files'
    ;;
  push)
    _arguments -S '--help[Show help]' '--version[Show version number]' '-a[containerd socket]:value:_files' '--address[containerd socket]:value:_files' '-n[containerd namespace]:value:_files' '--namespace[containerd namespace]:value:_files' '-l[taken for compatibility; "error" hides warnings]:value:_files' '--log-level[taken for compatibility; "error" hides warnings]:value:_files' '--ref[where to; default\: the name in the archive]:value:_files' '--plain-http[HTTP without TLS; loopback registries never need this]' '*:file:_files'
    ;;
  *)
    _arguments -S '--help[Show help]' '--version[Show version number]' '-a[containerd socket]:value:_files' '--address[containerd socket]:value:_files' '-n[containerd namespace]:value:_files' '--namespace[containerd namespace]:value:_files' '-l[taken for compatibility; "error" hides warnings]:value:_files' '--log-level[taken for compatibility; "error" hides warnings]:value:_files' '1:command:{_describe command commands}'
    ;;
  esac
}
_nix2container "$@"
