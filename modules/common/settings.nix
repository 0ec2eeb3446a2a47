# The daemon's configuration file (docs/configuration.md) as options, and as a file.
{ lib }:
let
  inherit (lib) literalMD mkOption types;

  duration = types.strMatching "[0-9]+(ms|s|m|h)";

  size = types.strMatching "[0-9]+([.][0-9]+)? ?([kMGT]|[KMGT]i)?B";

  # A key that is left out of the file unless it is set, so that the daemon's own default stays the one truth.
  key =
    type: default: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      defaultText = literalMD (
        if default == null then "none" else "the daemon's, `${builtins.toJSON default}`"
      );
      inherit description;
    };

  keys = {
    address = key types.str defaults.address "Unix socket of the daemon.";
    root = key types.str defaults.root ''
      Directory of metadata, snapshots and GC roots, as the host and the Nix daemon name it.
    '';
    view = key (types.enum [
      "auto"
      "overlay"
      "binds"
      "store"
    ]) "auto" "How store paths are shown in containers.";
    recover = key (types.enum [
      "auto"
      "off"
    ]) "auto" "Whether the closure of a layer without annotations is learnt from its mount points.";
    containerd_address = key types.str "/run/containerd/containerd.sock" "containerd's socket.";
    view_helper = {
      address = key types.str "auto" "Socket of the view helper, for a rootless daemon; `off` asks none.";
      root = key types.str "/var/lib/nix-snapshotter-view-helper" "Where the view helper keeps views and their GC roots.";
      max_views = key (types.ints.between 1 10000) 256 "Views of one user at a time.";
      max_paths = key (types.ints.between 1 10000000) 200000 "Store paths in all views of one user together.";
      grace = key duration "10m" "How long the view helper keeps a view that nobody holds.";
    };
    image_service = {
      enable = key types.bool false "Whether CRI's image service is served on {option}`address`.";
      containerd_address = key types.str null "containerd's socket for images, if not `containerd_address`.";
      snapshotter = key types.str "nix" "What the proxy plugin is called in containerd's configuration.";
    };
    nix = {
      store = key types.str "auto" "Store URI as Nix takes it.";
      backend = key (types.enum [
        "auto"
        "daemon"
        "nix-store"
      ]) "auto" "How the store is reached.";
      nix_store = key types.str "nix-store" "The program; Nix's others are taken from beside it.";
      substituters = key (types.listOf types.str) null "Caches to use instead of those of nix.conf.";
      concurrency = key (types.ints.between 1 64) 4 "How many realises fetch at once, and how many large ones beside them.";
      max_waiting = key (types.ints.between 1 100000) 1000 "How many callers may wait for realises.";
    };
    resolver = {
      address = key types.str null "Loopback address and port of the registry that serves store paths.";
      deadline = key duration "5m" "How long a pull of a store path waits for a realise.";
      build = key (types.enum [
        "never"
        "drv"
        "flake"
      ]) "never" "What this node may build.";
      build_timeout = key duration "1h" "How long a build or an evaluation may take.";
    };
    metrics.address = key types.str null "Address and port, or unix socket, of metrics and probes; none without it.";
    prepare = {
      wait = key (types.enum [
        "prepare"
        "apply"
      ]) "prepare" "Where the unpacking of a Nix layer waits for Nix.";
      deadline = key duration "5m" "How long a call waits for a realise.";
    };
    policy = {
      rules = key (types.listOf (types.attrsOf types.anything)) [ ] "What may be realised on this node; the first that matches decides.";
      default = key (types.enum [
        "allow"
        "deny"
      ]) "allow" "What becomes of that which no rule matches.";
      unknown_image = key (types.enum [
        "refuse"
        "label"
        "skip"
      ]) "refuse" "How rules by image take one whose reference is not known.";
      max_image_bytes = key size null "NAR bytes of the store paths of one image.";
      max_node_bytes = key size null "NAR bytes of all store paths that the daemon keeps, each once.";
      min_free_bytes = key size null "What stays free on the file system of the store.";
    };
    gc = {
      grace = key duration "1h" "How long paths stay rooted that no snapshot needs.";
      min_free_percent = key (types.ints.between 0 100) 15 "While less of the store's file system is free, what was in use is not kept for the grace period.";
    };
  };

  # What modules have to know when the file does not say it.
  defaults = {
    address = "/run/nix-snapshotter/nix-snapshotter.sock";
    root = "/var/lib/containerd/io.containerd.snapshotter.v1.nix";
    resolver = "127.0.0.1:7373";
  };

  # Without keys that are not set, and tables that are empty then.
  render =
    settings:
    lib.filterAttrs (_: value: value != null && value != { }) (
      lib.mapAttrs (
        _: value: if lib.isAttrs value && !lib.isDerivation value then render value else value
      ) settings
    );
in
{
  inherit defaults keys render;

  # `rootless`: whether it is a user's daemon, which has other places.
  option =
    {
      format,
      rootless ? false,
    }:
    mkOption {
      type = types.submodule {
        freeformType = format.type;
        options =
          keys
          // lib.optionalAttrs rootless {
            address = keys.address // {
              defaultText = literalMD "the daemon's, `$XDG_RUNTIME_DIR/nix-snapshotter/nix-snapshotter.sock`";
            };
            root = keys.root // {
              defaultText = literalMD "the daemon's, `$XDG_DATA_HOME/nix-snapshotter`";
            };
          };
      };
      default = { };
      example = {
        view = "binds";
        gc.grace = "24h";
      };
      description = ''
        The daemon's configuration file, `config.toml`; docs/configuration.md describes its keys.
      '';
    };

  # What the daemon will use where a key is not set.
  effective = settings: {
    address = if settings.address == null then defaults.address else settings.address;
    root = if settings.root == null then defaults.root else settings.root;
  };

  # What is wrong with settings for sure; `name` is the option they are.
  assertions = name: settings: [
    {
      assertion = !settings ? external_builder;
      message =
        "${name}.external_builder is a key of the Go version, and this daemon refuses to start with keys it does not know. "
        + "Paths are substituted; to let this node build what images name, set ${name}.resolver.build = \"drv\" or \"flake\".";
    }
    {
      assertion =
        settings.resolver.address == null
        || builtins.match "(127(\\.[0-9]{1,3}){3}|\\[::1]):[0-9]{1,5}" settings.resolver.address != null;
      message =
        "${name}.resolver.address is \"${toString settings.resolver.address}\": whoever reaches the resolver could make this "
        + "node pull, so it is a loopback address with a port, such as \"${defaults.resolver}\".";
    }
  ];
}
