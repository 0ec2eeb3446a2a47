import { readFileSync } from 'node:fs';

/** A kind of distribution, by what installs its packages. */
export type Distribution = 'debian' | 'fedora' | 'arch' | 'alpine' | 'nixos' | 'other';

/** What the daemon calls and a host may lack. */
export type Needed = 'nix' | 'mount' | 'tar';

/** How something is installed. */
export interface Installation {
  /** What to do, as the beginning of a sentence. */
  readonly fix: string;
  readonly commands: readonly string[];
}

/** By `ID` of os-release(5), and by what `ID_LIKE` says for those that are made of them. */
const BY_ID: ReadonlyMap<string, Distribution> = new Map([
  ['debian', 'debian'],
  ['ubuntu', 'debian'],
  ['fedora', 'fedora'],
  ['rhel', 'fedora'],
  ['centos', 'fedora'],
  ['arch', 'arch'],
  ['archlinux', 'arch'],
  ['alpine', 'alpine'],
  ['nixos', 'nixos'],
]);

const INSTALL: Readonly<Record<Exclude<Distribution, 'nixos' | 'other'>, string>> = {
  debian: 'apt-get install',
  fedora: 'dnf install',
  arch: 'pacman -S',
  alpine: 'apk add',
};

/** Names of packages; those of nixpkgs for NixOS. */
const PACKAGES: Readonly<Record<Needed, Readonly<Record<Distribution, string>>>> = {
  nix: { debian: 'nix-bin', fedora: 'nix', arch: 'nix', alpine: 'nix', nixos: 'nix', other: 'nix' },
  mount: {
    debian: 'mount',
    fedora: 'util-linux',
    arch: 'util-linux',
    alpine: 'util-linux',
    nixos: 'util-linux',
    other: 'util-linux',
  },
  tar: { debian: 'tar', fedora: 'tar', arch: 'tar', alpine: 'tar', nixos: 'gnutar', other: 'tar' },
};

/** The kind of this host's distribution; os-release(5) says where it is written down. */
export function readDistribution(): Distribution {
  for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      return distributionOf(readFileSync(file, 'utf8'));
    } catch {
      // A host without the file, as a container from scratch, is of no known distribution.
    }
  }
  return 'other';
}

/** @param text of os-release(5). */
export function distributionOf(text: string): Distribution {
  const value = (name: string): string =>
    new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(text)?.[1]?.trim() ?? '';
  const names = [value('ID'), ...value('ID_LIKE').split(/\s+/)];
  return names.map((name) => BY_ID.get(name.toLowerCase())).find((found) => found !== undefined) ?? 'other';
}

/** How a host of that distribution gets what it lacks. */
export function installing(needed: Needed, distribution: Distribution): Installation {
  const name = PACKAGES[needed][distribution];
  const otherwise =
    needed === 'nix' ? ' (from https://nixos.org/download where the distribution has none)' : '';
  switch (distribution) {
    case 'other':
      return { fix: `install the package ${name} of this distribution${otherwise}`, commands: [] };
    case 'nixos':
      return {
        fix:
          needed === 'nix'
            ? 'set nix.enable = true in the configuration of NixOS, then switch to it'
            : `add pkgs.${name} to environment.systemPackages in the configuration of NixOS, then switch to it`,
        commands: ['nixos-rebuild switch'],
      };
    default:
      return { fix: `install it${otherwise}`, commands: [`${INSTALL[distribution]} ${name}`] };
  }
}
