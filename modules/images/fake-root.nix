# The tar archive of a layer whose files have owners and modes that a Nix build cannot give to files.
#
# The commands run in the layer's root, under fakeroot, where links to the content of copyToRoot already are. In the layer is
# what they made or changed; the rest is in the layers below. The output `references` has the store paths that the layer
# mentions: they belong to the image's closure, the archive does not.
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
    export LC_ALL=C
    mkdir layer
    cd layer
    for tree in ${lib.escapeShellArgs copyToRoot}; do
      cp -rs --no-preserve=mode "$tree/." .
    done
    cat > ../in-layer.sh <<'END'
    set -e
    list() { find . -mindepth 1 -printf '%p\t%y %m %U:%G %l\0' | sort -z; }
    list > ../before
    . "$commandsPath"
    cd "$layer"
    list > ../after
    comm -z -13 ../before ../after | sed -z 's/\t.*//' > ../changed
    comm -z -23 <(sed -z 's/\t.*//' ../before) <(sed -z 's/\t.*//' ../after) > ../gone
    if [ -s ../gone ]; then
      echo "fakeRootCommands removes what copyToRoot has; leave it out there: $(tr '\0' ' ' < ../gone)" >&2
      exit 1
    fi
    tar --create --file "$out" --mtime=@1 --numeric-owner --no-recursion --null --files-from ../changed
    END
    layer=$PWD fakeroot -- bash ../in-layer.sh
    grep --text --only-matching --no-filename --extended-regexp \
      "$NIX_STORE/[0-9a-z]{32}-[0-9a-zA-Z+._?=-]+" "$out" > ../mentioned || [ $? = 1 ]
    mkdir "$references"
    sort -u ../mentioned > "$references/store-paths"
  ''
