# Options that the system's containerd and a user's have in common.
{ lib }:
let
  inherit (lib) mkEnableOption mkOption types;
in
{
  # `address`: where the containerd listens.
  options =
    { address }:
    {
      nixSnapshotterIntegration = mkEnableOption "nix-snapshotter in this containerd's configuration";

      gVisorIntegration = mkEnableOption "gVisor's `runsc` in this containerd's configuration";

      defaultRuntime = mkOption {
        type = types.str;
        default = "runc";
        description = "The runtime of pods that name none.";
      };

      path = mkOption {
        type = types.listOf (types.either types.package types.path);
        default = [ ];
        description = "Packages in containerd's `PATH`.";
      };

      setAddress = mkOption {
        type = types.str;
        default = address;
        description = "`CONTAINERD_ADDRESS` of login shells that have none.";
      };

      setNamespace = mkOption {
        type = types.str;
        default = "default";
        description = "`CONTAINERD_NAMESPACE` of login shells that have none.";
      };

      setSnapshotter = mkOption {
        type = types.str;
        default = "";
        example = "nix";
        description = "`CONTAINERD_SNAPSHOTTER` of login shells that have none.";
      };
    };

  # Of login shells.
  variables = cfg: {
    CONTAINERD_ADDRESS = cfg.setAddress;
    # containerd's clients use this one by themselves.
    CONTAINERD_NAMESPACE = lib.optionalString (cfg.setNamespace != "default") cfg.setNamespace;
    CONTAINERD_SNAPSHOTTER = cfg.setSnapshotter;
  };

  # `name`: what the containerd's options are called.
  assertions = name: cfg: [
    {
      assertion = cfg.defaultRuntime == "runsc" -> cfg.gVisorIntegration;
      message = "${name}.defaultRuntime is \"runsc\", which containerd does not know: set ${name}.gVisorIntegration = true as well.";
    }
  ];
}
