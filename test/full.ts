/** Set in the environment of tests that `--full` runs: suites run on more rows then. */
export const FULL = 'NIX_SNAPSHOTTER_TEST_FULL';
