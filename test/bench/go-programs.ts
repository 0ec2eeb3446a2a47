import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { goCommand } from '../sandbox/go-toolchain.ts';
import { testbedRoot } from '../sandbox/layout.ts';

/** Builds `bench-client`, see {@link BenchClient}; returns the program's path. Go's build cache makes a second build cheap. */
export async function buildBenchClient(): Promise<string> {
  const directory = join(testbedRoot, 'bench');
  await mkdir(directory, { recursive: true });
  const program = join(directory, 'bench-client');
  const go = await goCommand();
  const [file, ...args] = go.wrap(['build', '-trimpath', '-buildvcs=false', '-o', program, '.']);
  await execa(file, args, { cwd: join(import.meta.dirname, 'go'), env: { ...go.env, CGO_ENABLED: '0' } });
  return program;
}
