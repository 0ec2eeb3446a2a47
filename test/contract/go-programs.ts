import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { goCommand } from '../sandbox/go-toolchain.ts';
import { testbedRoot } from '../sandbox/layout.ts';

const MODULE = join(import.meta.dirname, 'go');
const BINARIES = join(testbedRoot, 'contract-go');

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
  const go = await goCommand();
  const [file, ...args] = go.wrap([...command, '-trimpath', '-buildvcs=false', '-o', program, target]);
  await execa(file, args, { cwd: MODULE, env: { ...go.env, CGO_ENABLED: '0' } });
  return program;
}
