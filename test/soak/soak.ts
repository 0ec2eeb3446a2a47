import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cri, type CriPod, IMAGE_SERVICE_CONFIG } from '../integration/support/cri.ts';
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
  /** Everything counted when every image had been taken, and after the load. */
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
  await using pod = await cri.pod();
  const clientsOf = await prepareClients(rig, { cri, pod, count });
  const warmUp = new Operations();
  log('warming up');
  await Promise.all(
    clientsOf(warmUp).map(async (client, index) => {
      for (const turn of [index, index + 1]) await client.cycle(turn);
    }),
  );
  const before = await atRest(rig);
  const beforeProcess = await processFigures(rig);
  await resetPeak(rig);
  log(`${count} clients for ${(milliseconds / 60_000).toFixed(1)} minutes`);
  const measured = new Operations();
  await load(rig, { cri, clients: clientsOf(measured), milliseconds, operations: measured });
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

/** Makes what clients pull. Returns the clients, who tell what they do to the operations given. */
async function prepareClients(
  rig: Rig,
  { cri, pod, count }: { readonly cri: Cri; readonly pod: CriPod; readonly count: number },
): Promise<(operations: Operations) => readonly SoakClient[]> {
  const images = await makeImages(rig);
  const names = Array.from({ length: count }, (_, index) => `soak-${index}`);
  const paths = new Map<string, readonly string[]>();
  for (const [index, name] of names.entries())
    if (index % (CTR_FOR_EACH_CRI + 1) === CTR_FOR_EACH_CRI) paths.set(name, await ownPaths(rig, name));
  return (operations) =>
    names.map((name) => {
      const own = paths.get(name);
      return own === undefined
        ? ctrClient(rig, { name, images, operations })
        : criClient({ cri, pod, paths: own, operations });
    });
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
