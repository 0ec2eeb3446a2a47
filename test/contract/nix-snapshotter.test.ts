import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { buildSuite } from './go-programs.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import { snapshotterSuite } from './snapshotter-suite.ts';

const run = promisify(execFile);
/** Made by `npm run build`. */
const PROGRAM = join(import.meta.dirname, '../../dist/nix-snapshotter.mjs');
/** `core/snapshots/testsuite` of the containerd that go.mod names; the parent test counts as one more. */
const SUBTESTS = 21;

const skip = sandboxUnavailable() ?? false;

function startDaemon(): Promise<ServerProcess> {
  return startServer((root, socket) => [
    process.execPath,
    PROGRAM,
    '--address',
    socket,
    '--root',
    root,
    '--log-level',
    'warn',
  ]);
}

describe('the snapshots service', { skip }, () => {
  snapshotterSuite('nix-snapshotter', startDaemon, {
    badFilter: 'InvalidArgument',
    badMapping: 'InvalidArgument',
    emptyKey: 'InvalidArgument',
    stricter: true,
    longList: 10_000,
  });

  it("passes containerd's own suite, all of it", async () => {
    const suite = await buildSuite();
    await using daemon = await startDaemon();
    const { stdout } = await run(
      'nsenter',
      ['--target', String(daemon.pid), '--mount', suite, '-test.v', '-test.timeout=120s'],
      {
        env: { ...process.env, SNAPSHOTTER_ADDRESS: daemon.address },
        maxBuffer: 1 << 26,
      },
    ).catch((error: unknown) => {
      const { stdout: output, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`the suite failed:\n${output}\n${stderr}`, { cause: error });
    });
    const passed = stdout.match(/^ +--- PASS: TestSnapshotter\//gm) ?? [];
    assert.equal(passed.length, SUBTESTS, stdout);
    assert.doesNotMatch(stdout, /--- (SKIP|FAIL)/);
    const mounts = await readFile(`/proc/${daemon.pid}/mounts`, 'utf8');
    assert.ok(!mounts.includes(daemon.root), `mounts are left behind:\n${mounts}`);
  });
});
