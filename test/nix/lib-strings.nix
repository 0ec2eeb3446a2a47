# Strings, versions, and text formats.
lib:
let
  inherit (builtins)
    concatStringsSep
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isString
    replaceStrings
    stringLength
    substring
    toJSON
    ;
in
rec {
  inherit (builtins)
    compareVersions
    concatStringsSep
    fromJSON
    match
    replaceStrings
    split
    stringLength
    substring
    toJSON
    ;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStrings (map f list);
  concatMapStringsSep =
    sep: f: list:
    concatStringsSep sep (map f list);
  optionalString = condition: string: if condition then string else "";
  hasPrefix = prefix: string: substring 0 (stringLength prefix) string == prefix;
  hasSuffix =
    suffix: string:
    let
      rest = stringLength string - stringLength suffix;
    in
    rest >= 0 && substring rest (-1) string == suffix;
  hasInfix = infix: string: builtins.match ".*${escapeRegex infix}.*" (replaceStrings [ "\n" ] [ " " ] string) != null;
  removePrefix =
    prefix: string:
    if hasPrefix prefix string then substring (stringLength prefix) (-1) string else string;
  removeSuffix =
    suffix: string:
    if hasSuffix suffix string then
      substring 0 (stringLength string - stringLength suffix) string
    else
      string;
  escapeRegex =
    replaceStrings
      (stringToCharacters "\\[{()^$?*+|.")
      (map (c: "\\${c}") (stringToCharacters "\\[{()^$?*+|."));
  stringToCharacters = string: lib.genList (n: substring n 1 string) (stringLength string);
  splitString =
    sep: string: lib.filter isString (builtins.split (escapeRegex (toString sep)) (toString string));
  toLower = replaceStrings upperChars lowerChars;
  upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  fixedWidthString =
    width: filler: string:
    if stringLength string >= width then string else fixedWidthString width filler (filler + string);
  toInt =
    string:
    let
      found = builtins.match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" string;
    in
    if found == null then throw "toInt: could not convert ${toJSON string} to int" else builtins.fromJSON (lib.head found);
  escapeShellArg =
    arg:
    let
      string = toString arg;
    in
    if builtins.match "[[:alnum:],._+:@%/-]+" string == null then
      "'${replaceStrings [ "'" ] [ "'\\''" ] string}'"
    else
      string;
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  makeBinPath = makeSearchPathOutput "bin" "bin";
  makeSearchPath = subDir: paths: concatStringsSep ":" (map (path: path + "/" + subDir) (lib.filter (x: x != null) paths));
  makeSearchPathOutput =
    output: subDir: paths:
    makeSearchPath subDir (map (lib.getOutput output) paths);
  versionOlder = v1: v2: builtins.compareVersions v2 v1 == 1;
  versionAtLeast = v1: v2: !versionOlder v1 v2;
  isStringLike = value: isString value || builtins.isPath value || value ? outPath || value ? __toString;
  isStorePath =
    value: isStringLike value && builtins.dirOf (toString value) == builtins.storeDir;
  generators = {
    mkValueStringDefault =
      { }:
      value:
      if isBool value then
        lib.boolToString value
      else if value == null then
        "null"
      else if isFloat value then
        toJSON value
      else if isList value || (isAttrs value && !lib.isDerivation value) then
        throw "generators.mkValueStringDefault: this value is not supported: ${toJSON value}"
      else
        toString value;
    toPretty =
      {
        multiline ? true,
        allowPrettyValues ? false,
        indent ? "",
      }:
      value:
      let
        sep = if multiline then "\n${indent}  " else " ";
        end = if multiline then "\n${indent}" else " ";
        go = lib.generators.toPretty {
          inherit multiline allowPrettyValues;
          indent = indent + "  ";
        };
        name = text: if builtins.match "[a-zA-Z_][a-zA-Z0-9_'-]*" text == null then toJSON text else text;
      in
      if isString value then
        "\"${replaceStrings [ "\\" "\"" "\n" "\${" ] [ "\\\\" "\\\"" "\\n" "\\\${" ] value}\""
      else if value == null then
        "null"
      else if isBool value then
        lib.boolToString value
      else if isInt value || isFloat value || builtins.isPath value then
        toString value
      else if isList value then
        if value == [ ] then "[ ]" else "[${sep}${concatMapStringsSep sep go value}${end}]"
      else if lib.isDerivation value then
        "<derivation ${value.name}>"
      else if isAttrs value then
        if value == { } then
          "{ }"
        else
          "{${sep}${concatStringsSep sep (lib.mapAttrsToList (n: v: "${name n} = ${go v};") value)}${end}}"
      else
        "<function>";
  };
}
