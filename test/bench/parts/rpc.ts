import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import type { Latencies, Server } from '../client.ts';
import type { Measurement } from '../measurement.ts';
import type { Part } from '../part.ts';
import {
  OVERLAYFS,
  type RunningServer,
  startOurs,
  startOverlayfs,
  startPeer,
  type View,
} from '../servers.ts';
import type { World } from '../world.ts';

/** Calls of each method in a round. */
export const CALLS = 60;
const WORKERS = 8;
const THROUGHPUT_MS = 700;
const QUICK_THROUGHPUT_MS = 50;

/** A server with a chain to prepare containers on. */
export interface Chain {
  readonly server: RunningServer;
  readonly parent: string;
  /** Store paths of its closure; absent for an ordinary chain. */
  readonly size?: number;
}

/** Servers of their own, behind no containerd: containerd's overlayfs, the floor, then ours in each view, then the peer. */
export async function startServers(
  world: World,
  instance: string,
  views: readonly View[] = world.views,
): Promise<readonly RunningServer[]> {
  const servers = [await startOverlayfs(world.node, instance)];
  for (const view of views) {
    const started = await startOurs(world.node, view, instance);
    if (typeof started === 'string') throw new Error(started);
    servers.push(started);
  }
  if (world.peer !== undefined) servers.push(await startPeer(world.node, instance));
  return servers;
}

/**
 * Servers of their own with a base layer and on it, for each closure, a layer that names it; the floor has an ordinary
 * layer there.
 */
export async function startChains(
  world: World,
  instance: string,
  paths: readonly number[],
  views?: readonly View[],
): Promise<readonly Chain[]> {
  const chains: Chain[] = [];
  for (const server of await startServers(world, instance, views)) {
    const { socket } = server;
    const base = { socket, labels: {}, directories: ['etc', 'bin'] };
    await world.client.layer({ ...base, name: 'base', parent: '' });
    if (server.name === OVERLAYFS) {
      await world.client.layer({ ...base, name: 'top', parent: 'base', directories: ['usr'] });
      chains.push({ server, parent: 'top' });
      continue;
    }
    for (const size of paths) {
      const closure = await world.closure(size);
      const labels = { [CLOSURE_ANNOTATION]: closure.info };
      const directories = closure.paths.map((path) => path.slice(1));
      const parent = `closure-${size}`;
      await world.client.layer({ socket, name: parent, parent: 'base', labels, directories });
      chains.push({ server, parent, size });
    }
  }
  return chains;
}

export async function stopServers(servers: readonly RunningServer[]): Promise<void> {
  for (const server of servers) await server.stop();
}

export async function stopChains(chains: readonly Chain[]): Promise<void> {
  await stopServers(serversOf(chains));
}

/** The servers of chains, each once. */
export function serversOf(chains: readonly Chain[]): readonly RunningServer[] {
  return [...new Set(chains.map(({ server }) => server))];
}

/** Latency of the calls that a container's life consists of; `calls` is how many of each make a round. */
export async function measureLatency(
  world: World,
  part: string,
  chains: readonly Chain[],
  { rounds, calls }: { readonly rounds: number; readonly calls: number },
): Promise<readonly Measurement[]> {
  const found = await world.client.latency({ servers: chains.map(serverOf), rounds, calls });
  return chains.flatMap((chain) => ofChain(part, chain, found));
}

export const rpc: Part = {
  letter: 'e',
  title: 'Calls of the snapshots service',
  about: `A Go client on the snapshotter’s unix socket, without containerd. The floor is containerd’s overlayfs served the same way. Each round is the median of ${CALLS} calls; throughput is that of ${WORKERS} callers.`,
  async run(world, { paths, rounds, quick }) {
    const chains = await startChains(world, 'rpc', paths);
    const latencies = await measureLatency(world, 'e', chains, { rounds, calls: CALLS });
    const rates = await measureThroughput(world, chains, {
      rounds,
      milliseconds: quick ? QUICK_THROUGHPUT_MS : THROUGHPUT_MS,
    });
    await stopChains(chains);
    return [...latencies, ...rates];
  },
};

async function measureThroughput(
  world: World,
  chains: readonly Chain[],
  { rounds, milliseconds }: { readonly rounds: number; readonly milliseconds: number },
): Promise<readonly Measurement[]> {
  const smallest = Math.min(...chains.flatMap(({ size }) => size ?? []));
  const chosen = chains.filter(({ size }) => size === undefined || size === smallest);
  const samples = new Map<Chain, Map<string, number[]>>(chosen.map((chain) => [chain, new Map()]));
  for (let round = 0; round < rounds; round += 1) {
    for (const chain of chosen) {
      const load = { ...serverOf(chain), workers: WORKERS, milliseconds };
      for (const [work, rate] of Object.entries(await world.client.throughput(load))) {
        samples.get(chain)?.set(work, [...(samples.get(chain)?.get(work) ?? []), rate]);
      }
    }
  }
  return chosen.flatMap((chain) =>
    [...(samples.get(chain) ?? [])].map(([work, figures]) => ({
      part: 'e',
      metric: `${work}, calls per second`,
      subject: chain.server.name,
      ...(chain.size === undefined ? {} : { size: chain.size }),
      unit: 'calls/s',
      floor: chain.size === undefined,
      samples: figures,
    })),
  );
}

function ofChain(part: string, chain: Chain, found: Latencies): readonly Measurement[] {
  return Object.entries(found[serverOf(chain).name] ?? {}).map(([method, samples]) => ({
    part,
    metric: method,
    subject: chain.server.name,
    ...(chain.size === undefined ? {} : { size: chain.size }),
    unit: 'ms',
    floor: chain.size === undefined,
    samples,
  }));
}

function serverOf({ server, parent }: Chain): Server {
  return { name: `${server.name} ${parent}`, socket: server.socket, parent };
}
