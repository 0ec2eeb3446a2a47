import type { Measurement } from '../measurement.ts';
import type { Part } from '../part.ts';
import { type Cell, inRounds } from '../rounds.ts';
import type { World } from '../world.ts';
import { STARTUP } from './memory.ts';
import { CALLS, type Chain, measureLatency, serversOf, startChains, stopChains } from './rpc.ts';
import { measureStart } from './start.ts';
import { measureUnpack } from './unpack.ts';

/** The closure beyond those of the other parts. */
const MANY_PATHS = 5000;
const SNAPSHOTS = [100, 1000, 10_000] as const;
/** Calls of each method in a round where one of them is a List of so many snapshots. */
const FEW_CALLS = 15;
const QUICK_SNAPSHOTS = [100] as const;

export const growth: Part = {
  letter: 'g',
  title: 'Growth',
  about: `The costs above with a closure of ${MANY_PATHS.toLocaleString('en')} paths, and the calls of a snapshotter that holds many snapshots.`,
  async run(world, { rounds, quick }) {
    return [
      ...(quick ? [] : await growClosure(world, rounds)),
      ...(await growSnapshots(world, quick ? QUICK_SNAPSHOTS : SNAPSHOTS, rounds)),
    ];
  },
};

async function growClosure(world: World, rounds: number): Promise<readonly Measurement[]> {
  const chains = await startChains(world, 'many-paths', [MANY_PATHS]);
  const latencies = await measureLatency(world, 'g', chains, { rounds, calls: CALLS });
  await stopChains(chains);
  return [
    ...(await measureUnpack(world, 'g', [MANY_PATHS], rounds)),
    ...(await measureStart(world, 'g', [MANY_PATHS], rounds)),
    ...latencies,
  ];
}

/** Latencies of calls, of List and of a start, as snapshots get more: the same in each view, so one stands for ours. */
async function growSnapshots(
  world: World,
  counts: readonly number[],
  rounds: number,
): Promise<readonly Measurement[]> {
  const chains = await startChains(world, 'snapshots', [10], world.views.slice(0, 1));
  const measurements: Measurement[] = [];
  let held = 0;
  for (const count of counts) {
    for (const { server, parent } of chains) {
      await world.client.populate({
        name: server.name,
        socket: server.socket,
        parent,
        from: held,
        to: count,
      });
    }
    held = count;
    const latencies = await measureLatency(world, 'g', chains, { rounds, calls: FEW_CALLS });
    measurements.push(...latencies.map((latency) => ofSnapshots(latency, count)));
    measurements.push(...(await measureStarts(world, chains, count, rounds)));
  }
  await stopChains(chains);
  return measurements;
}

async function measureStarts(
  world: World,
  chains: readonly Chain[],
  count: number,
  rounds: number,
): Promise<readonly Measurement[]> {
  await stopChains(chains);
  const cells = chains.map(
    ({ server, size }): Cell => ({
      subject: server.name,
      floor: size === undefined,
      async measure() {
        await world.node.exec(['rm', '-f', server.socket]);
        return { [STARTUP]: (await world.client.startup(server)).milliseconds };
      },
    }),
  );
  const starts = await inRounds(cells, { part: 'g', unit: 'ms', rounds });
  for (const server of serversOf(chains)) await server.restart();
  return starts.map((measurement) => ofSnapshots(measurement, count));
}

/** The floor grows too: each row of the table has its own. */
function ofSnapshots(measurement: Measurement, count: number): Measurement {
  return { ...measurement, metric: `${measurement.metric}, with so many snapshots`, size: count };
}
