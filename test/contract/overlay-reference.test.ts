import { describe } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { buildServeOverlay } from './go-programs.ts';
import { startServer } from './server-process.ts';
import { snapshotterSuite } from './snapshotter-suite.ts';

const skip = sandboxUnavailable() ?? false;

/** The suite itself is right when containerd's own overlayfs passes it, known deviations apart. */
describe('the contract suite on the reference', { skip }, async () => {
  const program = await buildServeOverlay();
  snapshotterSuite("containerd's overlayfs", () => startServer((root, socket) => [program, root, socket]), {
    badFilter: 'Unknown',
    badMapping: 'Unknown',
    emptyKey: 'Unknown',
    stricter: false,
    longList: 1000,
  });
});
