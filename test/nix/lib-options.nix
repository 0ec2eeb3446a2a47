# Declarations of options, and what their documentation is made of.
lib:
let
  inherit (lib)
    concatMap
    filter
    isAttrs
    isBool
    isList
    last
    optionalAttrs
    toList
    types
    ;
in
rec {
  mkOption =
    {
      default ? null,
      defaultText ? null,
      example ? null,
      description ? null,
      relatedPackages ? null,
      type ? null,
      apply ? null,
      internal ? null,
      visible ? null,
      readOnly ? null,
    }@attrs:
    attrs // { _type = "option"; };
  isOption = value: isAttrs value && value._type or null == "option";

  mkEnableOption =
    name:
    mkOption {
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
      type = types.bool;
    };

  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    let
      path = toList default;
      text = "${pkgsText}.${lib.concatStringsSep "." path}";
    in
    mkOption (
      {
        description =
          "The ${if isList name then last name else name} package to use."
          + lib.optionalString (extraDescription != "") " ${extraDescription}";
        type = if nullable then types.nullOr types.package else types.package;
      }
      // (
        if default != null then
          {
            default = lib.attrByPath path (throw "${lib.concatStringsSep "." path} cannot be found in ${pkgsText}") pkgs;
            defaultText = literalExpression text;
          }
        else
          optionalAttrs nullable { default = null; }
      )
      // optionalAttrs (example != null) {
        example = literalExpression (
          if isList example then "${pkgsText}.${lib.concatStringsSep "." example}" else example
        );
      }
    );

  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };

  showOption =
    path:
    lib.concatMapStringsSep "." (
      part:
      if
        builtins.match "[a-zA-Z_][a-zA-Z0-9_'-]*" part != null
        || lib.elem part [
          "<name>"
          "*"
          "<function body>"
        ]
      then
        part
      else
        builtins.toJSON part
    ) path;

  optionAttrSetToDocList =
    options:
    concatMap (
      option:
      let
        visible = option.visible or true;
        inner = option.type.getSubOptions option.loc;
      in
      [
        (
          {
            inherit (option) loc;
            name = showOption option.loc;
            description = option.description or null;
            declarations = filter (file: file != "<unknown-file>") option.declarations;
            internal = option.internal or false;
            visible = if isBool visible then visible else visible == "shallow";
            readOnly = option.readOnly or false;
            type = option.type.description or "unspecified";
          }
          // optionalAttrs (option ? example) { example = renderOptionValue option.example; }
          // optionalAttrs (option ? defaultText || option ? default) {
            default = renderOptionValue (option.defaultText or option.default);
          }
        )
      ]
      ++ lib.optionals (if isBool visible then visible else visible == "transparent") (
        if inner == { } then [ ] else optionAttrSetToDocList inner
      )
    ) (lib.collect isOption options);

  renderOptionValue =
    value:
    if value ? _type && value ? text then
      value
    else
      literalExpression (
        lib.generators.toPretty {
          multiline = true;
          allowPrettyValues = true;
        } value
      );
}
