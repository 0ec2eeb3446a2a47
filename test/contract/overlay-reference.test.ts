import { buildServeOverlay } from './go-programs.ts';
import { startServer } from './server-process.ts';
import { snapshotterSuite } from './snapshotter-suite.ts';

const program = await buildServeOverlay();

/** The suite itself is right when containerd's own overlayfs passes it, known deviations apart. */
snapshotterSuite("containerd's overlayfs", () => startServer((root, socket) => [program, root, socket]), {
  badFilter: 'Unknown',
  badMapping: 'Unknown',
  emptyKey: 'Unknown',
  stricter: false,
  longList: 1000,
});
