/** LevelDB's addons for the platforms of releases, as classic-level's package names them. */
export const ADDONS = [
  'prebuilds/linux-x64/classic-level.node',
  'prebuilds/linux-x64/classic-level.musl.node',
  'prebuilds/linux-arm64/classic-level.armv8.node',
] as const;
