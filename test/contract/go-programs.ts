import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MODULE = join(import.meta.dirname, 'go');
const BINARIES = join(import.meta.dirname, '../../.testbed/contract-go');

/** Builds containerd's own overlayfs as a server (`serve-overlay ROOT SOCKET`); returns the program's path. */
export function buildServeOverlay(): Promise<string> {
  return build('serve-overlay', ['build'], './cmd/serve-overlay');
}

/** Builds containerd's snapshotter suite (`SNAPSHOTTER_ADDRESS=SOCKET suite -test.v`); returns the program's path. */
export function buildSuite(): Promise<string> {
  return build('suite', ['test', '-c'], '.');
}

/** Go's build cache makes a second build cheap; versions are those of go.mod and go.sum. */
async function build(name: string, command: readonly string[], target: string): Promise<string> {
  await mkdir(BINARIES, { recursive: true });
  const program = join(BINARIES, name);
  await run('go', [...command, '-trimpath', '-o', program, target], {
    cwd: MODULE,
    env: { ...process.env, CGO_ENABLED: '0' },
    maxBuffer: 1 << 24,
  });
  return program;
}
