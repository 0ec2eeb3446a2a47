/** What is different between releases of containerd, as far as it matters to its configuration. */
export interface ReleaseTraits {
  /** Major and minor version, such as `2.3`; as containerd says where that is something else. */
  readonly line: string;
  /** `old` has not what we need; the rest works, or should: `untested` lines are not in docs/compatibility.md. */
  readonly support: 'old' | 'tested' | 'untested';
  /** Newest version of the configuration file. */
  readonly newestConfig: 2 | 3 | 4;
  /** A plugin's table comes from the last file that has one, whole; later releases merge tables. */
  readonly takesWholePlugins: boolean;
  /**
   * Settings of CRI in a version 2 file are forgotten when a version 3 file is merged with it, and of a version 2 file the snapshotter
   * counts only beside a runtime.
   */
  readonly forgetsCri: boolean;
  /** Knows the capability `remap-ids` of a proxy plugin. */
  readonly remapsIds: boolean;
  /** Unpacks with erofs, too, unless told (`plugins/transfer/plugin_defaults_linux.go`). */
  readonly unpacksErofs: boolean;
  /** CRI pulls by the transfer service, which unpacks for what `unpack_config` lists alone. */
  readonly pullsByTransfer: boolean;
}

/** Lines of docs/compatibility.md. */
const TESTED: ReadonlySet<string> = new Set(['1.7', '2.1', '2.2', '2.3', '2.4']);

/** @param release as containerd says, such as `1.7.24` or `2.3.7`, with or without a leading `v`. */
export function traitsOf(release: string): ReleaseTraits {
  const [, major = '', minor = ''] = /^v?(\d+)\.(\d+)\b/.exec(release) ?? [];
  const line = major === '' ? release : `${major}.${minor}`;
  // What says nothing that can be read is taken for the newest.
  const number = major === '' ? Infinity : Number(major) * 1000 + Number(minor);
  const is1 = number < 2000;
  return {
    line,
    support: number < 1007 ? 'old' : TESTED.has(line) ? 'tested' : 'untested',
    newestConfig: is1 ? 2 : number < 2003 ? 3 : 4,
    takesWholePlugins: is1,
    forgetsCri: number > 2000 && number < 2003,
    remapsIds: !is1,
    unpacksErofs: number >= 2003,
    pullsByTransfer: number >= 2001,
  };
}
