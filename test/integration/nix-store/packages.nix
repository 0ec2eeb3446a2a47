# A chain c → b → a, a path of its own, large ones, one that refers to a derivation file, and 1,000 paths with one that refers to all.
let
  run = name: attrs: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" "/bin/mkdir $out; echo \"$refs\" > $out/refs; /bin/head -c \${size:-0} /dev/zero > $out/data" ];
    refs = "";
  } // attrs);
  a = run "a" { size = 300000; };
  b = run "b" { refs = "${a}"; };
  # Written while evaluating: 1,000 builds would take a minute.
  small = builtins.genList (i: builtins.toFile "small-${toString i}" (toString i)) 1000;
in {
  inherit a b;
  c = run "c" { refs = "${b}"; };
  lone = run "lone" { };
  large = builtins.genList (i: run "large-${toString i}" { size = 70000000; }) 3;
  withDerivation = run "with-derivation" { refs = builtins.unsafeDiscardOutputDependency a.drvPath; };
  all = run "all" { refs = builtins.concatStringsSep "\n" small; };
}
