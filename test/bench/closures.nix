# A closure of `count` store paths for the benchmark: `count - 2` directories of 50 small files, a shell, and a root that
# refers to them all. Those of one seed share their paths; closures of different seeds share none.
{ seed, count, system }:
let
  perDerivation = 1000;

  node = name: attrs: script:
    derivation ({
      inherit name system;
      builder = "/usr/local/bin/node";
      args = [ "-e" script ];
      __structuredAttrs = true;
    } // attrs);

  busybox = node "busybox-${seed}" { } ''
    const fs = require('node:fs');
    const { outputs } = JSON.parse(fs.readFileSync(process.env.NIX_ATTRS_JSON_FILE, 'utf8'));
    fs.mkdirSync(outputs.out + '/bin', { recursive: true });
    fs.copyFileSync('/usr/bin/busybox', outputs.out + '/bin/busybox');
    fs.chmodSync(outputs.out + '/bin/busybox', 0o755);
  '';

  # One builder makes a thousand store paths, as its outputs.
  batch = number:
    node "files-${seed}-${toString number}" { outputs = builtins.genList (i: "p${toString i}") perDerivation; } ''
      const fs = require('node:fs');
      const { outputs } = JSON.parse(fs.readFileSync(process.env.NIX_ATTRS_JSON_FILE, 'utf8'));
      for (const [name, out] of Object.entries(outputs)) {
        fs.mkdirSync(out + '/share', { recursive: true });
        for (let i = 0; i < 50; i += 1) {
          fs.writeFileSync(out + '/share/' + i, [out, name, i].join(' ').repeat(2) + '\n');
        }
      }
    '';

  files = builtins.genList
    (i: (batch (i / perDerivation))."p${toString (i - i / perDerivation * perDerivation)}")
    (count - 2);
in
{
  inherit busybox;
  root = node "root-${seed}-${toString count}" { paths = [ busybox ] ++ files; } ''
    const fs = require('node:fs');
    const { outputs, paths } = JSON.parse(fs.readFileSync(process.env.NIX_ATTRS_JSON_FILE, 'utf8'));
    fs.mkdirSync(outputs.out);
    fs.writeFileSync(outputs.out + '/paths', paths.join('\n') + '\n');
  '';
}
