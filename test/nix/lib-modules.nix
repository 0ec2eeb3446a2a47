/*
  The module system as the NixOS manual ("Writing NixOS Modules") and the Nixpkgs manual ("Module System") document it:
  modules are paths, functions or attribute sets; option sets are merged, definitions have conditions, priorities and an order,
  and what is defined without being declared is an error that names option and file.

  Left out, and refused by an error: declaring one option in two modules, `disabledModules`, and `class`.
*/
lib:
let
  inherit (lib)
    attrNames
    concatLists
    concatMap
    elem
    filter
    foldl'
    head
    isAttrs
    isFunction
    isOption
    length
    mapAttrs
    optional
    setAttrByPath
    showOption
    unique
    ;

  defaultPriority = 100;
  defaultOrder = 1000;
  isType = type: value: isAttrs value && value._type or null == type;

  # Conditions and priorities around an attribute set become those of its attributes, so that nobody has to know a condition to know
  # which attributes there are.
  pushDown =
    value:
    if isType "merge" value then
      concatMap pushDown value.contents
    else if isType "if" value then
      map (mapAttrs (_: lib.mkIf value.condition)) (pushDown value.content)
    else if isType "override" value then
      map (mapAttrs (_: lib.mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];

  # Definitions that count: { file; value; } without conditions and merges, of the best priority, in order.
  resolve =
    definitions:
    let
      discharge =
        value:
        if isType "merge" value then
          concatMap discharge value.contents
        else if isType "if" value then
          if lib.isBool value.condition then
            lib.optionals value.condition (discharge value.content)
          else
            throw "the condition of mkIf is not a boolean"
        else
          [ value ];
      prioritised = concatMap (
        def:
        map (
          value:
          if isType "override" value then
            {
              inherit (def) file;
              inherit (value) priority;
              value = value.content;
            }
          else
            {
              inherit (def) file;
              inherit value;
              priority = defaultPriority;
            }
        ) (discharge def.value)
      ) definitions;
      best = foldl' (acc: def: lib.min acc def.priority) 9999 prioritised;
      ordered = map (
        def:
        if isType "order" def.value then
          {
            inherit (def) file;
            inherit (def.value) priority;
            value = def.value.content;
          }
        else
          {
            inherit (def) file value;
            priority = defaultOrder;
          }
      ) (filter (def: def.priority == best) prioritised);
    in
    {
      priority = best;
      definitions = map (def: { inherit (def) file value; }) (
        lib.sort (a: b: a.priority < b.priority) ordered
      );
    };

  # A module of any form as { key; file; imports; options; config; }.
  unify =
    {
      file,
      key,
      args,
    }:
    module:
    if builtins.isPath module || lib.isString module then
      unify {
        file = toString module;
        key = toString module;
        inherit args;
      } (import module)
    else if isFunction module || module ? __functor then
      unify { inherit file key args; } (
        module (
          args
          // mapAttrs (
            name: _: args.${name} or args.config._module.args.${name}
          ) (lib.functionArgs module)
        )
      )
    else if isType "if" module || isType "merge" module || isType "override" module then
      {
        inherit file key;
        imports = [ ];
        options = { };
        config = module;
      }
    else if !isAttrs module then
      throw "module ${file} is neither a path, a function nor an attribute set"
    else if module ? disabledModules then
      throw "module ${file}: disabledModules is not part of the stand-in"
    else
      let
        long = module ? config || module ? options;
        known = [
          "_class"
          "_file"
          "key"
          "imports"
          "options"
          "config"
          "freeformType"
          "meta"
        ];
        unknown = filter (name: !elem name known) (attrNames module);
        freeform = lib.optionalAttrs (module ? freeformType) { _module.freeformType = module.freeformType; };
      in
      if long && unknown != [ ] then
        throw "Module `${module._file or file}' has an unsupported attribute `${head unknown}'. This is caused by introducing a top-level `config' or `options' attribute."
      else
        {
          file = module._file or file;
          key = module.key or key;
          imports = module.imports or [ ];
          options = module.options or { };
          config =
            let
              own =
                if long then
                  module.config or { }
                else
                  removeAttrs module [
                    "_class"
                    "_file"
                    "key"
                    "imports"
                    "freeformType"
                    "meta"
                  ];
            in
            if freeform == { } then own else lib.mkMerge [ own freeform ];
        };

  # All modules that are reached by imports, each key once. Definitions of a module come after those of what it imports, and of its
  # next sibling.
  collectModules =
    args: modules:
    let
      entry =
        above: parentFile: parentKey: n: module:
        let
          unified = unify {
            file = parentFile;
            key = "${parentKey}:anon-${toString n}";
            inherit args;
          } module;
        in
        if elem unified.key above then
          throw "module ${unified.key} imports itself, by way of ${parentFile}"
        else
          unified // { above = above ++ [ unified.key ]; };
      imported = parent: lib.imap1 (entry parent.above parent.file parent.key) parent.imports;
    in
    lib.reverseList (
      builtins.genericClosure {
        startSet = lib.imap1 (entry [ ] "<unknown-file>" "") modules;
        operator = imported;
      }
    );

  # Declarations and definitions below one prefix, as { options; config; unmatched; }.
  mergeTree =
    prefix: declarations: definitions:
    let
      pushed = concatMap (
        def:
        map (
          value:
          if isAttrs value then
            {
              inherit (def) file;
              inherit value;
            }
          else
            throw "The option `${showOption prefix}' is a set of options, but in `${def.file}' it is defined as a ${builtins.typeOf value}."
        ) (pushDown def.value)
      ) definitions;
      names = unique (concatMap (decl: attrNames decl.options) declarations);
      below =
        name:
        let
          loc = prefix ++ [ name ];
          decls = concatMap (
            decl:
            optional (decl.options ? ${name}) {
              inherit (decl) file;
              options = decl.options.${name};
            }
          ) declarations;
          defs = concatMap (
            def:
            optional (def.value ? ${name}) {
              inherit (def) file;
              value = def.value.${name};
            }
          ) pushed;
          declared = filter (decl: isOption decl.options) decls;
        in
        if declared == [ ] then
          mergeTree loc decls defs
        else if length decls > 1 then
          throw "The option `${showOption loc}' is declared more than once: ${
            lib.concatMapStringsSep ", " (decl: "`${decl.file}'") decls
          }."
        else
          let
            option = evalOption loc (head decls) defs;
          in
          {
            options = option;
            config = option.value;
            unmatched = [ ];
          };
      tree = lib.genAttrs names below;
    in
    {
      options = mapAttrs (_: part: part.options) tree;
      config = mapAttrs (_: part: part.config) tree;
      unmatched =
        concatMap (part: part.unmatched) (lib.attrValues tree)
        ++ concatMap (
          def:
          map (name: {
            inherit (def) file;
            inherit prefix name;
            value = def.value.${name};
          }) (filter (name: !elem name names) (attrNames def.value))
        ) pushed;
    };

  evalOption =
    loc: decl: definitions:
    let
      option = decl.options;
      declared = option.type or lib.types.unspecified;
      # Options within say where they were declared, too.
      type =
        if declared.getSubModules == null then
          declared
        else
          declared.substSubModules (
            map (module: {
              _file = decl.file;
              imports = [ module ];
            }) declared.getSubModules
          );
      all =
        definitions
        ++ optional (option ? default) {
          file = decl.file;
          value = lib.mkOptionDefault option.default;
        };
      merged =
        if option.readOnly or false && length definitions > 1 then
          throw "The option `${showOption loc}' is read-only, but it's set multiple times."
        else
          lib.mergeDefinitions loc type all;
    in
    option
    // {
      inherit loc type;
      inherit (merged) isDefined;
      value = (option.apply or lib.id) merged.mergedValue;
      declarations = [ decl.file ];
      definitions = map (def: def.value) merged.definitions;
      definitionsWithLocations = merged.definitions;
      files = map (def: def.file) merged.definitions;
      highestPrio = merged.priority;
      __toString = _: showOption loc;
    };

  showDefinitions = lib.concatMapStrings (def: "\n- In `${def.file}'");
in
{
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOptionDefault = lib.mkOverride 1500;
  mkDefault = lib.mkOverride 1000;
  mkForce = lib.mkOverride 50;
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = lib.mkOrder 500;

  mergeDefinitions =
    loc: type: definitions:
    let
      resolved = resolve definitions;
      defs = resolved.definitions;
      wrong = filter (def: !type.check def.value) defs;
    in
    rec {
      inherit (resolved) priority;
      definitions = defs;
      isDefined = defs != [ ];
      mergedValue =
        if !isDefined then
          type.emptyValue.value
            or (throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.")
        else if wrong != [ ] then
          throw "A definition for option `${showOption loc}' is not of type `${type.description}'. Definition values:${showDefinitions wrong}"
        else
          type.merge loc defs;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      own = {
        _file = "lib/modules.nix";
        options._module = {
          args = lib.mkOption {
            type = lib.types.lazyAttrsOf lib.types.raw;
            internal = true;
          };
          freeformType = lib.mkOption {
            type = lib.types.nullOr lib.types.raw;
            default = null;
            internal = true;
          };
          check = lib.mkOption {
            type = lib.types.bool;
            default = true;
            internal = true;
          };
        };
        config._module.args = {
          inherit extendModules;
        };
      };
      args = {
        inherit lib config;
        options = removeAttrs merged.options [ "_module" ];
      }
      // specialArgs;
      collected = collectModules args (modules ++ [ own ]);
      merged = mergeTree prefix (map (module: { inherit (module) file options; }) collected) (
        map (module: {
          inherit (module) file;
          value = module.config;
        }) collected
      );
      inherit (merged.config._module) freeformType;
      freeform = freeformType.merge prefix (
        map (def: {
          inherit (def) file;
          value = setAttrByPath (lib.drop (length prefix) def.prefix ++ [ def.name ]) def.value;
        }) merged.unmatched
      );
      config =
        if freeformType == null then merged.config else lib.recursiveUpdate freeform merged.config;
      checked =
        if freeformType != null || !merged.config._module.check || merged.unmatched == [ ] then
          config
        else
          let
            first = head merged.unmatched;
          in
          throw "The option `${showOption (first.prefix ++ [ first.name ])}' does not exist. Definition values:${showDefinitions [ first ]}";
      extendModules =
        extra:
        lib.evalModules {
          inherit prefix;
          modules = modules ++ extra.modules or [ ];
          specialArgs = specialArgs // extra.specialArgs or { };
        };
    in
    {
      _type = "configuration";
      options = removeAttrs merged.options [ "_module" ];
      config = removeAttrs checked [ "_module" ];
      inherit extendModules;
      _module = merged.config._module;
    };

}
