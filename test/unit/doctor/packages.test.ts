import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Distribution, distributionOf, installing, type Needed } from '../../../src/doctor/packages.ts';

describe('what a host lacks', () => {
  const releases: readonly [string, Distribution][] = [
    ['PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n', 'debian'],
    ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', 'debian'],
    ["NAME='Fedora Linux'\nID=fedora\nPLATFORM_ID='platform:f42'\n", 'fedora'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'fedora'],
    ['ID="amzn"\nID_LIKE="fedora"\n', 'fedora'],
    ['ID=manjaro\nID_LIKE=arch\n', 'arch'],
    ['NAME="Alpine Linux"\nID=alpine\n', 'alpine'],
    ['ID=nixos\nID_LIKE=""\n', 'nixos'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 'other'],
    ['BUILD_ID=debian\n', 'other'],
    ['', 'other'],
  ];
  for (const [text, expected] of releases)
    it(`is looked for as on ${expected}: ${JSON.stringify(text)}`, () =>
      equal(distributionOf(text), expected));

  const commands = (needed: Needed) =>
    (['debian', 'fedora', 'arch', 'alpine', 'nixos', 'other'] as const).map(
      (each) => installing(needed, each).commands[0],
    );
  it('comes from the package that has it there', () => {
    const dnf = ['dnf install nix', 'dnf install util-linux', 'dnf install tar'];
    const [debian, fedora, ...others] = commands('nix');
    deepEqual(
      [debian, fedora, ...others],
      ['apt-get install nix-bin', dnf[0], 'pacman -S nix', 'apk add nix', 'nixos-rebuild switch', undefined],
    );
    deepEqual([fedora, commands('mount')[1], commands('tar')[1]], dnf);
  });

  it('is a setting on NixOS, and a name where the distribution is not known', () => {
    match(installing('nix', 'nixos').fix, /nix\.enable = true/);
    match(installing('tar', 'nixos').fix, /pkgs\.gnutar to environment\.systemPackages/);
    match(installing('nix', 'fedora').fix, /^install it \(from https:\S+ where the distribution has none\)$/);
    equal(installing('mount', 'other').fix, 'install the package util-linux of this distribution');
  });
});
