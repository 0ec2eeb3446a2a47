import assert from 'node:assert/strict';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { eventually } from './rig.ts';

/** A collection of Nix's garbage, again and again, until it is disposed of. */
export interface GarbageCollector extends AsyncDisposable {
  /** Waits for the end of a run that began after this call. */
  nextRun(): Promise<void>;
  /** How often it has run, and how many store paths it has deleted. */
  done(): Promise<{ readonly runs: number; readonly deleted: number }>;
}

/** Starts `command` (`nix-store --gc` unless told) in a loop. */
export async function startGarbageCollector(
  node: Sandbox,
  command = 'nix-store --gc',
): Promise<GarbageCollector> {
  const runs = '/run/garbage-collector.runs';
  await node.writeFile(runs, '');
  const loop = node.spawn('garbage-collector', [
    'sh',
    '-euc',
    `while :; do ${command}; echo ended >> ${runs}; sleep 0.05; done`,
  ]);
  const count = async () => (await node.readFile(runs)).length / 'ended\n'.length;
  const collector: GarbageCollector = {
    async nextRun() {
      const before = await count();
      // The run that goes on now may have looked at the roots before: its end and the next one's.
      await eventually(async () => {
        assert.ok(loop.running, loop.tail());
        assert.ok((await count()) >= before + 2);
      });
    },
    async done() {
      const counts = (await loop.logs()).matchAll(/^(\d+) store paths deleted/gm);
      return { runs: await count(), deleted: [...counts].reduce((sum, [, many]) => sum + Number(many), 0) };
    },
    async [Symbol.asyncDispose]() {
      await loop.kill9();
    },
  };
  await collector.nextRun();
  return collector;
}
