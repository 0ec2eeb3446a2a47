# Option types, as the NixOS manual documents them ("Options Types").
lib:
let
  inherit (lib)
    all
    any
    concatMap
    elem
    filter
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    mapAttrs
    optional
    showOption
    ;

  phrase =
    unparenthesized: type:
    if elem (type.descriptionClass or null) unparenthesized then
      type.description
    else
      "(${type.description})";
  files = lib.concatMapStringsSep ", " (def: "`${def.file}'");

  mergeOne =
    loc: defs:
    if length defs == 1 then
      (head defs).value
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique: ${files defs}.";
  mergeEqual =
    loc: defs:
    if all (def: def.value == (head defs).value) defs then
      (head defs).value
    else
      throw "The option `${showOption loc}' has conflicting definition values: ${files defs}.";

  mkOptionType =
    {
      name,
      description ? name,
      descriptionClass ? null,
      check ? _: true,
      merge ? mergeEqual,
      emptyValue ? { },
      getSubOptions ? _: { },
      getSubModules ? null,
      substSubModules ? _: null,
      nestedTypes ? { },
    }:
    {
      _type = "option-type";
      inherit
        name
        description
        descriptionClass
        check
        merge
        emptyValue
        getSubOptions
        getSubModules
        substSubModules
        nestedTypes
        ;
    };
  noun = attrs: mkOptionType (attrs // { descriptionClass = "noun"; });
  clause = attrs: mkOptionType (attrs // { descriptionClass = "nonRestrictiveClause"; });

  attrsWith =
    { elemType, lazy }:
    mkOptionType {
      name = if lazy then "lazyAttrsOf" else "attrsOf";
      description = "${if lazy then "lazy " else ""}attribute set of ${
        phrase [ "noun" "composite" ] elemType
      }";
      descriptionClass = "composite";
      check = isAttrs;
      emptyValue.value = { };
      getSubOptions = loc: elemType.getSubOptions (loc ++ [ "<name>" ]);
      inherit (elemType) getSubModules;
      substSubModules =
        modules:
        attrsWith {
          elemType = elemType.substSubModules modules;
          inherit lazy;
        };
      nestedTypes = { inherit elemType; };
      merge =
        loc: defs:
        let
          names = lib.unique (concatMap (def: lib.attrNames def.value) defs);
          merged = lib.genAttrs names (
            name:
            lib.mergeDefinitions (loc ++ [ name ]) elemType (
              concatMap (
                def:
                optional (def.value ? ${name}) {
                  inherit (def) file;
                  value = def.value.${name};
                }
              ) defs
            )
          );
        in
        mapAttrs (_: part: part.mergedValue) (
          if lazy then merged else lib.filterAttrs (_: part: part.isDefined) merged
        );
    };
in
rec {
  inherit mkOptionType;

  raw = noun {
    name = "raw";
    description = "raw value";
    merge = mergeOne;
  };
  unspecified = noun {
    name = "unspecified";
    description = "unspecified value";
    merge = mergeOne;
  };
  anything = noun {
    name = "anything";
    merge =
      loc: defs:
      if all (def: isAttrs def.value && !lib.isDerivation def.value) defs then
        (lazyAttrsOf anything).merge loc defs
      else if all (def: isList def.value) defs && length defs > 1 then
        concatMap (def: def.value) defs
      else
        mergeEqual loc defs;
  };
  bool = noun {
    name = "bool";
    description = "boolean";
    check = isBool;
  };
  int = noun {
    name = "int";
    description = "signed integer";
    check = isInt;
  };
  float = noun {
    name = "float";
    description = "floating point number";
    check = builtins.isFloat;
  };
  ints = {
    unsigned = clause {
      name = "unsignedInt";
      description = "unsigned integer, meaning >=0";
      check = x: isInt x && x >= 0;
    };
    positive = clause {
      name = "positiveInt";
      description = "positive integer, meaning >0";
      check = x: isInt x && x > 0;
    };
    between =
      lowest: highest:
      noun {
        name = "intBetween";
        description = "integer between ${toString lowest} and ${toString highest} (both inclusive)";
        check = x: isInt x && x >= lowest && x <= highest;
      };
  };
  str = noun {
    name = "str";
    description = "string";
    check = isString;
  };
  nonEmptyStr = noun {
    name = "nonEmptyStr";
    description = "non-empty string";
    check = x: isString x && builtins.match "[ \t\n]*" x == null;
  };
  strMatching =
    pattern:
    noun {
      name = "strMatching ${lib.escapeShellArg pattern}";
      description = "string matching the pattern ${pattern}";
      check = x: isString x && builtins.match pattern x != null;
    };
  separatedString =
    sep:
    noun {
      name = "separatedString";
      description = "strings concatenated with ${builtins.toJSON sep}";
      check = isString;
      merge = _: defs: lib.concatMapStringsSep sep (def: def.value) defs;
    };
  lines = separatedString "\n";
  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    emptyValue.value = { };
    merge = _: lib.foldl' (acc: def: acc // def.value) { };
  };
  package = noun {
    name = "package";
    check = x: lib.isDerivation x || lib.isStorePath x;
    merge = mergeOne;
  };
  path = noun {
    name = "path";
    description = "absolute path";
    check = x: lib.isStringLike x && builtins.substring 0 1 (toString x) == "/";
  };
  enum =
    values:
    mkOptionType {
      name = "enum";
      description =
        if length values == 1 then
          "value ${builtins.toJSON (head values)} (singular enum)"
        else
          "one of ${lib.concatMapStringsSep ", " builtins.toJSON values}";
      descriptionClass = if length values < 2 then "noun" else "conjunction";
      check = x: elem x values;
    };
  nullOr =
    elemType:
    mkOptionType {
      name = "nullOr";
      description = "null or ${phrase [ "noun" "conjunction" ] elemType}";
      descriptionClass = "conjunction";
      check = x: x == null || elemType.check x;
      emptyValue.value = null;
      inherit (elemType) getSubOptions getSubModules;
      substSubModules = modules: nullOr (elemType.substSubModules modules);
      nestedTypes = { inherit elemType; };
      merge =
        loc: defs:
        if all (def: def.value == null) defs then
          null
        else if any (def: def.value == null) defs then
          throw "The option `${showOption loc}' is defined both null and not null, in ${files defs}."
        else
          elemType.merge loc defs;
    };
  listOf =
    elemType:
    mkOptionType {
      name = "listOf";
      description = "list of ${phrase [ "noun" "composite" ] elemType}";
      descriptionClass = "composite";
      check = isList;
      emptyValue.value = [ ];
      getSubOptions = loc: elemType.getSubOptions (loc ++ [ "*" ]);
      inherit (elemType) getSubModules;
      substSubModules = modules: listOf (elemType.substSubModules modules);
      nestedTypes = { inherit elemType; };
      merge =
        loc: defs:
        map (part: part.mergedValue) (
          filter (part: part.isDefined) (
            lib.concatLists (
              lib.imap1 (
                n: def:
                lib.imap1 (
                  m: value:
                  lib.mergeDefinitions
                    (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ])
                    elemType
                    [
                      {
                        inherit (def) file;
                        inherit value;
                      }
                    ]
                ) def.value
              ) defs
            )
          )
        );
    };
  attrsOf =
    elemType:
    attrsWith {
      inherit elemType;
      lazy = false;
    };
  lazyAttrsOf =
    elemType:
    attrsWith {
      inherit elemType;
      lazy = true;
    };
  either =
    left: right:
    mkOptionType {
      name = "either";
      description =
        if left.descriptionClass == "nonRestrictiveClause" then
          "${left.description}, or ${phrase [ "noun" "conjunction" ] right}"
        else
          "${phrase [ "noun" "conjunction" ] left} or ${phrase [ "noun" "conjunction" "composite" ] right}";
      descriptionClass = "conjunction";
      check = x: left.check x || right.check x;
      nestedTypes = { inherit left right; };
      merge =
        loc: defs:
        if all (def: left.check def.value) defs then
          left.merge loc defs
        else if all (def: right.check def.value) defs then
          right.merge loc defs
        else
          mergeOne loc defs;
    };
  oneOf = types: lib.foldl' either (head types) (lib.tail types);
  coercedTo =
    from: coerce: to:
    mkOptionType {
      name = "coercedTo";
      description = "${phrase [ "noun" ] to} or ${phrase [ "noun" ] from} convertible to it";
      check = x: (from.check x && to.check (coerce x)) || to.check x;
      inherit (to) emptyValue getSubOptions getSubModules;
      substSubModules = modules: coercedTo from coerce (to.substSubModules modules);
      merge =
        loc: defs:
        to.merge loc (
          map (def: def // { value = if from.check def.value then coerce def.value else def.value; }) defs
        );
    };
  functionTo =
    elemType:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${phrase [ "noun" "composite" ] elemType}";
      descriptionClass = "composite";
      check = lib.isFunction;
      merge =
        loc: defs: arg:
        elemType.merge (loc ++ [ "<function body>" ]) (map (def: def // { value = def.value arg; }) defs);
    };
  deferredModule = noun {
    name = "deferredModule";
    description = "module";
    check = x: isAttrs x || lib.isFunction x || builtins.isPath x;
    merge = _: defs: { imports = map (def: def.value) defs; };
  };

  submodule = modules: submoduleWith { modules = lib.toList modules; };
  submoduleWith =
    {
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? true,
      description ? null,
    }:
    let
      evaluate =
        loc: extra:
        lib.evalModules {
          inherit specialArgs;
          prefix = loc;
          modules = modules ++ [ { _module.args.name = lib.last loc; } ] ++ extra;
        };
      # An option's type names what else may be set.
      freeform = (evaluate [ "‹name›" ] [ ])._module.freeformType;
    in
    mkOptionType {
      name = "submodule";
      description =
        if description != null then
          description
        else if freeform == null then
          "submodule"
        else
          "open submodule of ${phrase [ "noun" "composite" ] freeform}";
      check = x: isAttrs x || lib.isFunction x || builtins.isPath x;
      emptyValue.value = { };
      getSubOptions = loc: (evaluate loc [ ]).options;
      getSubModules = modules;
      substSubModules =
        modules:
        submoduleWith {
          inherit
            modules
            specialArgs
            shorthandOnlyDefinesConfig
            description
            ;
        };
      merge =
        loc: defs:
        (evaluate loc (
          map (
            def:
            if isAttrs def.value && shorthandOnlyDefinesConfig then
              {
                _file = def.file;
                config = def.value;
              }
            else
              {
                _file = def.file;
                imports = [ def.value ];
              }
          ) defs
        )).config;
    };
}
