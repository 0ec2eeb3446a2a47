import { setTimeout as sleep } from 'node:timers/promises';
import { writeBrokenRoot } from '../../fixtures/broken-root.ts';
import { closureArchive } from '../archives.ts';
import type { Measurement } from '../measurement.ts';
import type { Part } from '../part.ts';
import { residentMiB } from '../resident-memory.ts';
import { type Cell, inRounds } from '../rounds.ts';
import { OVERLAYFS, type RunningServer } from '../servers.ts';
import type { World } from '../world.ts';
import { PARALLEL } from './parallel.ts';
import { startChains, startServers, stopChains, stopServers } from './rpc.ts';

/** How long a process rests before its memory is read, in milliseconds. */
const REST_MS = 1500;

const CALLS = 50_000;
const QUICK_CALLS = 1000;

export const IDLE = 'resident when idle';
export const AFTER_PARALLEL = `resident after ${PARALLEL} containers in parallel`;
export const AFTER_CALLS = 'resident after 50,000 calls';
export const BROKEN_STARTUP = 'the same with 1,000 snapshots of which 20 are broken';
export const STARTUP = 'from start until it listens';

export const memory: Part = {
  letter: 'f',
  title: 'Memory and start-up',
  about:
    'Resident memory of the snapshotter’s own process. Start-up is on an empty root, from the start of the program until it accepts a connection.',
  async run(world, { paths, rounds, quick }) {
    const [smallest = 10, largest = smallest] = [paths[0], paths.at(-1)];
    const calls = quick ? QUICK_CALLS : CALLS;
    return [
      ...(await measureStartup(world, rounds)),
      ...(await measureBrokenStartup(world, rounds)),
      ...(await measureParallel(world, largest)),
      ...(await measureCalls(world, smallest, calls, quick ? `resident after ${calls} calls` : AFTER_CALLS)),
    ];
  },
};

async function measureStartup(world: World, rounds: number): Promise<readonly Measurement[]> {
  const servers = await startServers(world, 'startup');
  await stopServers(servers);
  const cells = servers.map(
    (server): Cell => ({
      subject: server.name,
      floor: server.name === OVERLAYFS,
      async measure() {
        await world.node.exec(['rm', '-rf', server.socket, server.root]);
        await world.node.exec(['mkdir', '-p', server.root]);
        return { [STARTUP]: (await world.client.startup(server)).milliseconds };
      },
    }),
  );
  return await inRounds(cells, { part: 'f', unit: 'ms', rounds });
}

/** What is broken stays so, and so the same root serves for all rounds. */
async function measureBrokenStartup(world: World, rounds: number): Promise<readonly Measurement[]> {
  const servers = await startServers(world, 'broken');
  await stopServers(servers);
  const cells: Cell[] = [];
  for (const server of servers.filter(({ name }) => name === world.ours.name)) {
    await world.node.exec(['rm', '-rf', server.root]);
    await writeBrokenRoot(world.node.hostPath(server.root), 1000, 20);
    cells.push({
      subject: server.name,
      floor: false,
      async measure() {
        await world.node.exec(['rm', '-f', server.socket]);
        return { [BROKEN_STARTUP]: (await world.client.startup(server)).milliseconds };
      },
    });
  }
  return await inRounds(cells, { part: 'f', unit: 'ms', rounds });
}

/** Fresh daemons behind containerd: idle, then after containers. */
async function measureParallel(world: World, size: number): Promise<readonly Measurement[]> {
  const archive = await closureArchive(world.node, await world.closure(size), 'memory', 'closure');
  const measurements: Measurement[] = [];
  for (const subject of world.closureSubjects) {
    const { server } = subject;
    if (server === undefined) continue;
    await server.restart();
    measurements.push(await resident(server, IDLE));
    await world.load(subject, archive);
    const ids = Array.from({ length: PARALLEL }, (_, index) => `memory-${index}`);
    await world.client.exec(ids.map((id) => world.runCommand(subject, archive, id)));
    measurements.push({ ...(await resident(server, AFTER_PARALLEL)), size });
    await world.unload(subject);
  }
  return measurements;
}

async function measureCalls(
  world: World,
  size: number,
  calls: number,
  metric: string,
): Promise<readonly Measurement[]> {
  const chains = await startChains(world, 'memory', [size]);
  const measurements: Measurement[] = [];
  for (const { server, parent } of chains) {
    await world.client.calls({ name: server.name, socket: server.socket, parent, calls });
    measurements.push({ ...(await resident(server, metric)), size });
  }
  await stopChains(chains);
  return measurements;
}

async function resident(server: RunningServer, metric: string): Promise<Measurement> {
  await sleep(REST_MS);
  const sample = await residentMiB(await server.process.pid());
  return { part: 'f', metric, subject: server.name, unit: 'MiB', floor: false, samples: [sample] };
}
