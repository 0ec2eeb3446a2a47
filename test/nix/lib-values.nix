# Attribute sets, lists, and functions of functions.
lib:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isAttrs
    isFunction
    isList
    length
    listToAttrs
    mapAttrs
    removeAttrs
    tail
    ;
in
rec {
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    deepSeq
    elem
    elemAt
    filter
    foldl'
    functionArgs
    genList
    hasAttr
    head
    intersectAttrs
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    map
    mapAttrs
    removeAttrs
    sort
    tail
    ;

  id = x: x;
  const = x: _: x;
  fix =
    f:
    let
      x = f x;
    in
    x;
  composeExtensions =
    f: g: final: prev:
    let
      first = f final prev;
    in
    first // g final (prev // first);
  composeManyExtensions = foldl' composeExtensions (_: _: { });
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  warn = message: builtins.trace "evaluation warning: ${message}";
  warnIf = condition: message: if condition then lib.warn message else id;
  throwIf = condition: message: if condition then throw message else id;
  boolToString = value: if value then "true" else "false";
  max = x: y: if x > y then x else y;
  min = x: y: if x < y then x else y;

  licenses.mit = {
    spdxId = "MIT";
    fullName = "MIT License";
    free = true;
  };

  nameValuePair = name: value: { inherit name value; };
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  filterAttrs =
    predicate: set: removeAttrs set (filter (name: !predicate name set.${name}) (attrNames set));
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  optionalAttrs = condition: set: if condition then set else { };
  concatMapAttrs = f: set: foldl' (x: y: x // y) { } (mapAttrsToList f set);
  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${head path} then
      attrByPath (tail path) default set.${head path}
    else
      default;
  hasAttrByPath =
    path: set:
    path == [ ] || (isAttrs set && set ? ${head path} && hasAttrByPath (tail path) set.${head path});
  getAttrFromPath =
    path: attrByPath path (throw "cannot find attribute '${lib.concatStringsSep "." path}'");
  setAttrByPath =
    path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  recursiveUpdate =
    left: right:
    if isAttrs left && isAttrs right then
      left
      // mapAttrs (
        name: value: if left ? ${name} then recursiveUpdate left.${name} value else value
      ) right
    else
      right;
  mapAttrsRecursive =
    f: set:
    let
      go =
        path:
        mapAttrs (
          name: value: if isAttrs value then go (path ++ [ name ]) value else f (path ++ [ name ]) value
        );
    in
    go [ ] set;
  collect =
    predicate: attrs:
    if predicate attrs then
      [ attrs ]
    else if isAttrs attrs then
      concatMap (collect predicate) (attrValues attrs)
    else
      [ ];
  isDerivation = value: value.type or null == "derivation";
  getOutput =
    output: package:
    if !package ? outputSpecified || !package.outputSpecified then
      package.${output} or package.out or package
    else
      package;
  getBin = getOutput "bin";
  getExe =
    package:
    getExe' package (
      package.meta.mainProgram
        or (throw "getExe: package ${package.name} does not have the meta.mainProgram attribute")
    );
  getExe' =
    package: program:
    if lib.hasInfix "/" program then
      throw "getExe': The second argument \"${program}\" is a nested path with a \"/\" character"
    else
      "${getBin package}/bin/${program}";

  optional = condition: element: if condition then [ element ] else [ ];
  optionals = condition: elements: if condition then elements else [ ];
  toList = x: if isList x then x else [ x ];
  last = list: elemAt list (length list - 1);
  init = list: take (length list - 1) list;
  reverseList = list: genList (n: elemAt list (length list - n - 1)) (length list);
  take = count: list: genList (elemAt list) (min count (length list));
  drop = count: list: genList (n: elemAt list (n + count)) (max 0 (length list - count));
  flatten = x: if isList x then concatMap flatten x else [ x ];
  unique = foldl' (acc: e: if elem e acc then acc else acc ++ [ e ]) [ ];
  subtractLists = without: filter (e: !elem e without);
  remove = e: filter (x: x != e);
  imap0 = f: list: genList (n: f n (elemAt list n)) (length list);
  imap1 = f: list: genList (n: f (n + 1) (elemAt list n)) (length list);
  count = predicate: list: length (filter predicate list);
}
