/** The version of this build: set by the bundler, `0.0.0-source` when run from source. */
export const VERSION = process.env['NIX_SNAPSHOTTER_VERSION'] ?? '0.0.0-source';
