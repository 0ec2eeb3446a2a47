# The flake's outputs. Thin: what is put together here lies in the other directories of modules.
{
  self,
  # The flake, or whatever can be imported as nixpkgs and has a `lib` with nixosSystem.
  nixpkgs,
}:
let
  inherit (nixpkgs) lib;

  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  forEachSystem = f: lib.genAttrs systems (system: f self.legacyPackages.${system});

  examples = pkgs: import ../../examples/images { inherit pkgs; };
  # What machines and tests take as arguments. Nothing that has to be pulled or cross-built.
  specialArgs = pkgs: {
    examples = removeAttrs (examples pkgs).images [
      "fromRegistry"
      "multiArch"
    ];
    inherit (examples pkgs) k8sResources;
  };

  machine =
    module: pkgs:
    lib.nixosSystem {
      specialArgs = specialArgs pkgs;
      modules = [
        self.nixosModules.default
        module
        { nixpkgs.pkgs = pkgs; }
      ];
    };
  machines = lib.mapAttrs (_: machine) {
    vm = ../nixos/vm.nix;
    vm-rootless = ../nixos/vm-rootless.nix;
  };

  modulesIn =
    directory: names:
    lib.genAttrs names (name: directory + "/${name}.nix") // { default = directory; };

  # NixOS tests by name.
  testsOf =
    pkgs:
    lib.mapAttrs' (file: _: {
      name = lib.removeSuffix ".nix" file;
      value = pkgs.testers.runNixOSTest {
        imports = [ (../nixos/tests + "/${file}") ];
        defaults.imports = [ self.nixosModules.default ];
        node.specialArgs = specialArgs pkgs;
      };
    }) (lib.filterAttrs (file: _: lib.hasSuffix ".nix" file) (builtins.readDir ../nixos/tests));

  app = description: program: {
    type = "app";
    inherit program;
    meta = { inherit description; };
  };
in
{
  overlays.default = import ./overlay.nix;

  nixosModules = modulesIn ../nixos [
    "containerd"
    "containerd-rootless"
    "k3s"
    "k3s-rootless"
    "nix-snapshotter"
    "nix-snapshotter-rootless"
    "preload-containerd"
    "preload-containerd-rootless"
  ];
  homeModules = modulesIn ../home [
    "containerd-rootless"
    "k3s-rootless"
    "nix-snapshotter-rootless"
    "preload-containerd-rootless"
  ];

  # nixpkgs with the overlay.
  legacyPackages = lib.genAttrs systems (
    system:
    import nixpkgs {
      inherit system;
      overlays = [ self.overlays.default ];
    }
  );

  packages = forEachSystem (
    pkgs:
    {
      inherit (pkgs) nix-snapshotter;
      default = pkgs.nix-snapshotter;
      nix2container = pkgs.nix-snapshotter // {
        meta = pkgs.nix-snapshotter.meta // {
          mainProgram = "nix2container";
        };
      };
    }
    // lib.mapAttrs' (name: lib.nameValuePair "image-${name}") (examples pkgs).images
  );

  apps = forEachSystem (
    pkgs:
    lib.mapAttrs (
      _: machine:
      app "A virtual machine to look around in" "${(machine pkgs).config.system.build.vm}/bin/run-nixos-vm"
    ) machines
    // lib.mapAttrs' (
      name: test:
      lib.nameValuePair "test-${name}" (
        app "The machines of a NixOS test, driven by hand" "${test.driverInteractive}/bin/nixos-test-driver"
      )
    ) (testsOf pkgs)
    # push-NAME: to the registry in the image's name. load-NAME: into CONTAINERD_ADDRESS, else a rootless containerd.
    // lib.concatMapAttrs (name: image: {
      "push-${name}" = app "Pushes an example image" (lib.getExe (image.copyToRegistry { }));
      "load-${name}" = app "Loads an example image into containerd" (
        lib.getExe (
          image.copyToContainerd {
            address = "\${CONTAINERD_ADDRESS:-$XDG_RUNTIME_DIR/containerd/containerd.sock}";
          }
        )
      );
    }) (examples pkgs).images
  );

  # Kubernetes resources that name images by "nix:0/nix/store/…".
  k8sResources = forEachSystem (pkgs: (examples pkgs).k8sResources);

  nixosConfigurations = lib.mapAttrs (_: machine: machine self.legacyPackages.x86_64-linux) machines;

  # The package, and NixOS tests, which need KVM: `nix build .#checks.x86_64-linux.NAME`
  checks = forEachSystem (
    pkgs:
    {
      inherit (pkgs) nix-snapshotter;
    }
    // testsOf pkgs
  );

  devShells = forEachSystem (pkgs: {
    default = pkgs.mkShell {
      packages = [
        pkgs.containerd
        pkgs.cri-tools
        pkgs.debootstrap
        pkgs.go
        pkgs.kubectl
        pkgs.nerdctl
        pkgs.nodejs_24
        pkgs.runc
      ];
    };
  });

  formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);
}
