# A closure of `count` store paths for clients that pull: a shell, `data` bytes in one path, small files written while
# evaluating, and a root that refers to them all. Closures of different seeds share none.
{ seed, count, data, system }:
let
  run = name: script: attrs: derivation ({
    name = "${name}-${seed}";
    inherit system;
    builder = "/bin/sh";
    args = [ "-euc" script ];
  } // attrs);
  busybox = run "busybox" "/bin/mkdir -p $out/bin; /bin/cp /usr/bin/busybox $out/bin/busybox" { };
  content = run "data" "/bin/mkdir $out; /bin/head -c $size /dev/zero > $out/data" { size = data; };
  files = builtins.genList (i: builtins.toFile "file-${seed}-${toString i}" "${seed} ${toString i}") (count - 3);
in
{
  inherit busybox;
  root = run "root" "/bin/mkdir $out; echo \"$paths\" > $out/paths" { paths = [ busybox content ] ++ files; };
}
