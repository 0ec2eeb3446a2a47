import assert from 'node:assert/strict';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { eventually } from './rig.ts';

/** `nix-store --gc`, again and again, until it is disposed of. */
export interface GarbageCollector extends AsyncDisposable {
  /** Waits for the end of a run that began after this call. */
  nextRun(): Promise<void>;
}

export async function startGarbageCollector(node: Sandbox): Promise<GarbageCollector> {
  const runs = '/run/garbage-collector.runs';
  await node.writeFile(runs, '');
  const loop = node.spawn('garbage-collector', [
    'sh',
    '-euc',
    `while :; do nix-store --gc; echo ended >> ${runs}; sleep 0.05; done`,
  ]);
  const count = async () => (await node.readFile(runs)).length;
  const collector: GarbageCollector = {
    async nextRun() {
      const before = await count();
      // The run that goes on now may have looked at the roots before: its end and the next one's.
      await eventually(async () => {
        assert.ok(loop.running, loop.tail());
        assert.ok((await count()) >= before + 2 * 'ended\n'.length);
      });
    },
    async [Symbol.asyncDispose]() {
      await loop.kill9();
    },
  };
  await collector.nextRun();
  return collector;
}
