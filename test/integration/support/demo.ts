import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { projectRoot } from '../../sandbox/layout.ts';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A demo that was started. */
interface RunningDemo {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Stops reading what it says. */
  hangUp(): void;
  /** What it has said once it has said this. */
  until(shown: string): Promise<string>;
}

/** Starts the demo as `npm run demo` does. */
export function startDemo(
  args: readonly string[] = [],
  program: readonly [string, ...string[]] = [process.execPath],
): RunningDemo {
  const { CI: _, ...env } = process.env;
  const [file, ...flags] = program;
  const child = spawn(file, [...flags, 'examples/demo/demo.ts', ...args], {
    cwd: projectRoot,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const errors = text(child.stderr);
  let seen = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (seen += chunk));
  const closed = once(child, 'close');
  return {
    process: child,
    ended: closed.then(async () => ({ code: child.exitCode, stdout: seen, stderr: await errors })),
    hangUp: () => child.stdout.destroy(),
    async until(shown) {
      while (!seen.includes(shown)) {
        const hasEnded = child.exitCode !== null || child.signalCode !== null;
        assert.equal(hasEnded, false, `the demo ended before "${shown}": ${seen}`);
        await Promise.race([once(child.stdout, 'data'), exited]);
      }
      return seen;
    },
  };
}

export function idIn(stdout: string): string {
  const id = /Node (demo-\w+):/.exec(stdout)?.[1];
  assert.ok(id, stdout);
  return id;
}

export function assertInOrder(output: string, expected: readonly (string | RegExp)[]): void {
  let rest = output;
  for (const wanted of expected) {
    const at = typeof wanted === 'string' ? rest.indexOf(wanted) : rest.search(wanted);
    assert.notEqual(at, -1, `${String(wanted)} is not in:\n${rest}`);
    rest = rest.slice(at + 1);
  }
}
