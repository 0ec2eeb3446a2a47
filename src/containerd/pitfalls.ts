import { traitsOf } from './release.ts';

/** What a release of containerd does that one has to know of to use a snapshotter with it. */
export interface Pitfall {
  readonly id: string;
  /** The first release line that has it; undefined: the oldest. */
  readonly from?: string;
  /** The first release line that has it no more; undefined: none yet. */
  readonly before?: string;
  readonly what: string;
  /**
   * Who sees to it: the daemon by what it answers; `setup` by what it writes, and `doctor` by looking whether it is so; or you.
   */
  readonly met: 'daemon' | 'setup' | 'you';
  readonly how: string;
}

/**
 * All of them, oldest first. Sources: docs/setup.md (how imports are merged, seen by "containerd config dump" of each release);
 * containerd `core/unpack/unpacker.go`, `internal/fsview`, `plugins/transfer/plugin.go`, `internal/cri/config/config.go`.
 */
export const PITFALLS: readonly Pitfall[] = [
  {
    id: 'too-old',
    before: '1.7',
    what: 'Proxy snapshotters, CRI and transfer are too different; nothing is tested.',
    met: 'you',
    how: 'Upgrade to 1.7 or newer: setup refuses it.',
  },
  {
    id: 'whole-plugins',
    before: '2.0',
    what: 'Of files that are imported a plugin’s table comes from the last one that has it, whole.',
    met: 'you',
    how: 'Setup’s drop-in repeats what `config.toml` says of CRI: run setup again after a change there.',
  },
  {
    id: 'no-remap-ids',
    before: '2.0',
    what: 'The capability `remap-ids` is not understood: containers with a user namespace fail with it.',
    met: 'setup',
    how: 'The drop-in is made without it.',
  },
  {
    id: 'proxy-capabilities',
    from: '2.0',
    what: 'Containers with a user namespace have the ownership of all their files changed, which fails on store paths, unless the proxy plugin has the capability `remap-ids`.',
    met: 'setup',
    how: 'The drop-in declares it.',
  },
  {
    id: 'forgets-cri',
    from: '2.1',
    before: '2.3',
    what: 'CRI’s settings in a version 2 file are forgotten when a version 3 file is merged with it; and its `snapshotter` counts only beside a runtime.',
    met: 'setup',
    how: 'The drop-in has the version of the main file, and names a runtime where no file does.',
  },
  {
    id: 'transfer-unpack',
    from: '2.1',
    what: 'CRI pulls by the transfer service, which fails for a snapshotter that is not in `unpack_config`: "no unpack platforms defined". The list replaces the default.',
    met: 'setup',
    how: 'The drop-in lists what is there, overlayfs and ours.',
  },
  {
    id: 'late-images',
    from: '2.1',
    what: 'CRI learns of an image that another client has imported some time later; a container that is created at once fails.',
    met: 'daemon',
    how: 'Our image service answers a pull when CRI shows the image; by the resolver CRI pulls itself.',
  },
  {
    id: 'shown-import',
    from: '2.2',
    what: '`containerd config dump` shows that `/etc/containerd/conf.d/*.toml` is imported, and it is not unless the main file says so.',
    met: 'setup',
    how: 'The import is written into the main file.',
  },
  {
    id: 'rebase',
    from: '2.2',
    what: 'With the capability `rebase` layers are unpacked beside each other, and whiteouts of lower layers are lost for any snapshotter but overlayfs.',
    met: 'setup',
    how: 'It is not declared; doctor reports it.',
  },
  {
    id: 'last-mount',
    from: '2.3',
    what: 'Users and groups are looked up in the last mount of a container alone: "not a directory", or wrong groups.',
    met: 'daemon',
    how: 'A container has one mount; with `view = "binds"` they have a kind of mount that is not looked into.',
  },
  {
    id: 'erofs',
    from: '2.3',
    what: 'erofs is in the default of `unpack_config`, which a list replaces.',
    met: 'setup',
    how: 'The drop-in repeats it.',
  },
  {
    id: 'staged-layers',
    from: '2.4',
    what: 'A layer whose last mount is read-only counts as unpacked, and stays empty.',
    met: 'daemon',
    how: 'What is unpacked never gets mounts of store paths.',
  },
];

/** Those of a release. */
export function pitfallsOf(release: string): readonly Pitfall[] {
  const { line } = traitsOf(release);
  return PITFALLS.filter(
    ({ from, before }) =>
      (from === undefined || compareLines(line, from) >= 0) &&
      (before === undefined || compareLines(line, before) < 0),
  );
}

/** Release lines by age: negative when `one` is the older. A line that is no number is the newest. */
function compareLines(one: string, other: string): number {
  const numberOf = (line: string) => {
    const [major = Number.NaN, minor = Number.NaN] = line.split('.').map(Number);
    const number = major * 1000 + minor;
    return Number.isNaN(number) ? Number.MAX_SAFE_INTEGER : number;
  };
  return numberOf(one) - numberOf(other);
}
