# The tar archive of a layer whose files have owners and modes that a Nix build cannot give to files.
#
# The commands run in the layer's root, under fakeroot, where links to the content of copyToRoot already are. The output
# `references` has the store paths that the layer mentions: they belong to the image's closure, the archive does not.
{
  lib,
  fakeroot,
  runCommand,
}:
{
  name,
  commands,
  copyToRoot,
}:
runCommand "${name}-fake-root.tar"
  {
    nativeBuildInputs = [ fakeroot ];
    outputs = [
      "out"
      "references"
    ];
    inherit commands;
    passAsFile = [ "commands" ];
  }
  ''
    mkdir layer
    cd layer
    for tree in ${lib.escapeShellArgs copyToRoot}; do
      cp -rs --no-preserve=mode "$tree/." .
    done
    {
      echo 'set -eu'
      cat "$commandsPath"
      echo
      echo "tar --create --file $out --sort=name --mtime=@1 --numeric-owner ."
    } > ../in-layer.sh
    fakeroot -- bash ../in-layer.sh
    grep --text --only-matching --no-filename --extended-regexp \
      "$NIX_STORE/[0-9a-z]{32}-[0-9a-zA-Z+._?=-]+" "$out" > ../mentioned || [ $? = 1 ]
    sort -u ../mentioned > "$references"
  ''
