import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { MemoryRelease } from '../../../src/host/memory-release.ts';

describe('MemoryRelease', () => {
  const counted = (calls: number, restMs = 20, everyMs = 0) => {
    const counts = { collected: 0, resident: 0 };
    const collect = () => void (counts.collected += 1);
    const resident = () => counts.resident;
    const options = { calls, restMs, highBytes: 100, everyMs };
    return { counts, memory: new MemoryRelease(options, { collect, resident }) };
  };

  it('collects once when a burst of calls is over, and again after the next', async () => {
    const { counts, memory } = counted(3);
    using _ = memory;
    for (const expected of [1, 2]) {
      for (let call = 0; call < 4; call += 1) memory.called();
      while (counts.collected < expected) await sleep(5);
      await sleep(60);
      assert.equal(counts.collected, expected);
    }
  });

  it('leaves a few calls alone', async () => {
    const { counts, memory } = counted(3);
    using _ = memory;
    memory.called();
    memory.called();
    await sleep(60);
    assert.equal(counts.collected, 0);
  });

  it('does not collect between calls that follow each other', async () => {
    const { counts, memory } = counted(1, 500);
    using _ = memory;
    for (let call = 0; call < 300; call += 1) {
      memory.called();
      await sleep(5);
    }
    assert.equal(counts.collected, 0);
  });

  it('collects between calls too when much is resident, but not often', async () => {
    const { counts, memory } = counted(1_000_000, 20, 60_000);
    using _ = memory;
    memory.called();
    await sleep(60);
    assert.equal(counts.collected, 0);
    counts.resident = 101;
    while (counts.collected === 0) {
      memory.called();
      await sleep(5);
    }
    for (let call = 0; call < 30; call += 1) {
      memory.called();
      await sleep(5);
    }
    assert.equal(counts.collected, 1);
  });

  it('collects after the last call what an earlier collection has left', async () => {
    const { counts, memory } = counted(1_000_000, 20, 200);
    using _ = memory;
    counts.resident = 101;
    while (counts.collected === 0) {
      memory.called();
      await sleep(5);
    }
    memory.called();
    while (counts.collected === 1) await sleep(5);
    await sleep(300);
    assert.equal(counts.collected, 2);
  });

  it("gives V8's memory back", async () => {
    using memory = new MemoryRelease({ calls: 1, restMs: 20, highBytes: 1e12, everyMs: 0 });
    let garbage: object[] | undefined = Array.from({ length: 2_000_000 }, (_, at) => ({ at }));
    const before = process.memoryUsage().heapTotal;
    assert.equal(garbage.length, 2_000_000);
    garbage = undefined;
    memory.called();
    const until = performance.now() + 10_000;
    while (process.memoryUsage().heapTotal > before / 2 && performance.now() < until) await sleep(20);
    assert.ok(process.memoryUsage().heapTotal <= before / 2);
  });
});
