import type { TomlTable } from 'smol-toml';
import type { ProjectOptions } from '../../nix/options-page.ts';
import type { NixosUnit } from '../../nix/units.ts';

/** What a configuration gives: test/nix/evaluate.nix. */
export interface Outcome {
  readonly failed: readonly string[];
  readonly warnings: readonly string[];
  readonly shell: string;
  readonly file: { readonly daemon?: TomlTable };
  readonly files: { readonly daemon?: TomlTable; readonly scripts: Readonly<Record<string, string | null>> };
  readonly containerd: TomlTable;
  readonly kubelet: string;
  readonly preload: string | null;
  readonly systemd: {
    readonly services: Readonly<Record<string, NixosUnit>>;
    readonly sockets: Readonly<Record<string, NixosUnit>>;
    readonly tmpfiles: { readonly settings: unknown };
    readonly user: { readonly services: Readonly<Record<string, NixosUnit>> };
  };
}

/** All that is evaluated of the modules. */
export interface Evaluated {
  readonly nixos: Readonly<Record<string, Outcome>>;
  readonly home: Readonly<Record<string, Outcome>>;
  readonly alone: Readonly<Record<'nixos' | 'home', Readonly<Record<string, readonly string[]>>>>;
  readonly machines: Readonly<Record<string, readonly string[]>>;
  readonly tests: Readonly<
    Record<
      string,
      { readonly testScript: string; readonly failed: Readonly<Record<string, readonly string[]>> }
    >
  >;
  /** The package that is used, by what the package set has of that name. */
  readonly withoutOverlay: Readonly<Record<'nothing' | 'goVersion' | 'ours', string>>;
  readonly options: ProjectOptions;
}

/** containerd's settings: test/nix/containerd-files.nix. */
export interface ContainerdFiles {
  readonly alone: TomlTable;
  readonly version2: TomlTable;
  readonly version3: TomlTable;
  readonly rootless: TomlTable;
}
