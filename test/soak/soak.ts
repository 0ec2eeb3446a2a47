import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cri, IMAGE_SERVICE_CONFIG } from '../integration/support/cri.ts';
import type { AvailableRow } from '../integration/support/matrix.ts';
import { importPause } from '../integration/support/pod.ts';
import { RESOLVER_CONFIG, useResolver } from '../integration/support/resolver-hosts.ts';
import { eventually, Rig } from '../integration/support/rig.ts';
import { type Census, census, peakMiB, type ProcessFigures, processFigures, resetPeak } from './census.ts';
import { criClient, ctrClient, type SoakClient } from './clients.ts';
import { makeImages, ownPaths } from './images.ts';
import { Operations, type OperationSummary } from './operations.ts';
import { beginSlowRealise, importReady } from './slow-realise.ts';

const CONFIG = `${RESOLVER_CONFIG}${IMAGE_SERVICE_CONFIG}[gc]\ngrace = "1s"\n`;
/** One client of so many is a kubelet. */
const CTR_FOR_EACH_CRI = 4;
/** How often the node collects its store's garbage, in milliseconds: so what was removed is fetched again. */
const COLLECT_MS = 5000;
/** How often a container of an image that is ready is run, in milliseconds. */
const BESIDE_MS = 2000;
/** How long the daemon may take to come to rest, in milliseconds. */
const REST_MS = 60_000;

export interface SoakSetup {
  readonly row: AvailableRow;
  readonly clients: number;
  readonly milliseconds: number;
  /** Told what goes on. */
  readonly log: (line: string) => void;
}

/** What a soak has found. */
export interface SoakResult {
  readonly containerd: string;
  /** Everything counted when each client had done each of its images once, and after the load. */
  readonly before: Census;
  readonly after: Census;
  readonly process: {
    readonly idle: ProcessFigures;
    readonly before: ProcessFigures;
    readonly after: ProcessFigures;
    readonly peakMiB: number;
  };
  readonly operations: readonly OperationSummary[];
  readonly failures: readonly string[];
  readonly milliseconds: number;
}

/** Brings a node up, lets clients pull, run and remove for some time, and counts what is there before and after. */
export async function soak({ row, clients: count, milliseconds, log }: SoakSetup): Promise<SoakResult> {
  await using rig = await Rig.up({ row, cri: true, config: CONFIG });
  await useResolver(rig);
  using cri = await Cri.of(rig);
  await importPause(rig);
  await importReady(rig);
  const idle = await processFigures(rig);
  log(`containerd ${rig.containerd.version}; making images`);
  const images = await makeImages(rig);
  await using pod = await cri.pod();
  const warmUp = new Operations();
  const measured = new Operations();
  const clientsOf = async (operations: Operations): Promise<readonly SoakClient[]> =>
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const name = `soak-${index}`;
        if (index % (CTR_FOR_EACH_CRI + 1) !== CTR_FOR_EACH_CRI)
          return ctrClient(rig, { name, images, operations });
        paths[index] ??= await ownPaths(rig, name);
        return criClient({ cri, pod, paths: paths[index], operations });
      }),
    );
  const paths: (readonly string[])[] = [];
  log('every client takes each of its images once');
  await Promise.all(
    (await clientsOf(warmUp)).map(async (client) => {
      for (let turn = 0; turn < client.images; turn += 1) await client.cycle(turn);
    }),
  );
  const before = await atRest(rig);
  const beforeProcess = await processFigures(rig);
  await resetPeak(rig);
  log(`${count} clients for ${(milliseconds / 60_000).toFixed(1)} minutes`);
  const clients = await clientsOf(measured);
  await load(rig, { cri, clients, milliseconds, operations: measured });
  const peak = await peakMiB(rig);
  log('waiting for rest');
  const after = await atRest(rig, before);
  return {
    containerd: rig.containerd.version,
    before,
    after,
    process: { idle, before: beforeProcess, after: await processFigures(rig), peakMiB: peak },
    operations: measured.summary(),
    failures: [...warmUp.failures, ...measured.failures],
    milliseconds,
  };
}

interface Load {
  readonly cri: Cri;
  readonly clients: readonly SoakClient[];
  readonly milliseconds: number;
  readonly operations: Operations;
}

async function load(rig: Rig, { cri, clients, milliseconds, operations }: Load): Promise<void> {
  const until = performance.now() + milliseconds;
  const goesOn = () => performance.now() < until;
  const slow = await beginSlowRealise(rig, cri, operations);
  const repeat = async (work: () => Promise<unknown>, pause: number): Promise<void> => {
    for (; goesOn(); await sleep(pause)) await work();
  };
  await Promise.all([
    ...clients.map(async (client, index) => {
      // A failure is counted; the client goes on with its next image.
      for (let turn = index; goesOn(); turn += 1) await client.cycle(turn).catch(() => {});
    }),
    repeat(async () => await slow.run().catch(() => {}), BESIDE_MS),
    repeat(async () => await rig.node.exec(['nix-store', '--gc', '--quiet'], { reject: false }), COLLECT_MS),
  ]);
  await operations.time('the slow realise, when the cache answers', async () => await slow.end());
}

/** Counts when nothing is removed any more, and, given what is expected, as soon as that is there. */
async function atRest(rig: Rig, expected?: Census): Promise<Census> {
  let last: Census | undefined;
  try {
    await eventually(async () => {
      // What is removed without --sync waits for a collection.
      await rig.containerd.ctr(['content', 'prune', 'references']);
      // Nix takes its links to roots that are gone.
      await rig.node.exec(['nix-store', '--gc', '--quiet']);
      const previous = last;
      last = await census(rig);
      assert.deepEqual(last, expected ?? previous);
    }, REST_MS);
  } catch (error) {
    if (last === undefined || expected === undefined) throw error;
  }
  return last ?? {};
}
