import { existsSync } from 'node:fs';
import { waitFor } from '../../sandbox/wait-for.ts';
import { type Archive, closureArchive, contentArchive, plainArchive } from '../archives.ts';
import type { Measurement } from '../measurement.ts';
import type { Part } from '../part.ts';
import { type Cell, inRounds } from '../rounds.ts';
import type { Subject, World } from '../world.ts';

export const FIRST_IMAGE = 'load the first image of a closure';
const FIRST_RUN = 'load the first image of a closure and run a container';
export const FURTHER_IMAGE = 'load a further image of the closure';
export const LEGACY_IMAGE = 'load an image with a label for each path';
const ORDINARY_IMAGE = 'load the content as an ordinary layer';

/** Loads images whose store paths are all valid, with annotations that name the closure. */
export async function measureUnpack(
  world: World,
  part: string,
  paths: readonly number[],
  rounds: number,
): Promise<readonly Measurement[]> {
  const { node, overlayfs } = world;
  const plain = await plainArchive(node);
  const cells: Cell[] = [
    {
      subject: 'floor',
      floor: true,
      async measure() {
        const { loaded, run } = await loadAndRun(world, overlayfs, plain);
        await world.unload(overlayfs);
        return { [FIRST_IMAGE]: loaded, [FIRST_RUN]: loaded + run, [FURTHER_IMAGE]: loaded };
      },
    },
  ];
  for (const size of paths) {
    const closure = await world.closure(size);
    const first = await closureArchive(node, closure, 'first', 'closure');
    const further = await closureArchive(node, closure, 'further', 'closure');
    for (const subject of world.closureSubjects) {
      cells.push({
        subject: subject.name,
        size,
        async measure() {
          const { loaded, run } = await loadAndRun(world, subject, first);
          const again = await world.load(subject, further);
          await world.unload(subject);
          return { [FIRST_IMAGE]: loaded, [FIRST_RUN]: loaded + run, [FURTHER_IMAGE]: again };
        },
      });
    }
  }
  return await inRounds(cells, { part, unit: 'ms', rounds });
}

export const unpack: Part = {
  letter: 'a',
  title: 'Warm unpack',
  about:
    'Import and unpack of an image whose store paths are all valid, through containerd’s Go client. The floor is a busybox image on containerd’s overlayfs. What a snapshotter leaves for later shows where a container is run as well.',
  async run(world, { paths, rounds }) {
    const { node, overlayfs } = world;
    const cells: Cell[] = [];
    for (const size of paths) {
      const closure = await world.closure(size);
      const legacy = await closureArchive(node, closure, 'legacy', 'paths');
      const content = await contentArchive(node, closure);
      cells.push({
        subject: overlayfs.name,
        size,
        async measure() {
          const milliseconds = await world.load(overlayfs, content);
          await world.unload(overlayfs);
          return { [ORDINARY_IMAGE]: milliseconds };
        },
      });
      for (const subject of world.closureSubjects) {
        cells.push({
          subject: subject.name,
          size,
          async measure() {
            const milliseconds = await world.load(subject, legacy);
            await world.unload(subject);
            return { [LEGACY_IMAGE]: milliseconds };
          },
        });
      }
    }
    return [
      ...(await measureGreeting(world, rounds)),
      ...(await measureUnpack(world, 'a', paths, rounds)),
      ...(await inRounds(cells, { part: 'a', unit: 'ms', rounds })),
    ];
  },
};

/** A container right after its image: it waits for what the snapshotter still does for the image. */
async function loadAndRun(
  world: World,
  subject: Subject,
  archive: Archive,
): Promise<{ readonly loaded: number; readonly run: number }> {
  const loaded = await world.load(subject, archive);
  const run = await world.client.exec([world.runCommand(subject, archive, 'first')]);
  return { loaded, run: run.milliseconds };
}

/** What nothing that asks Nix can be faster than. */
async function measureGreeting(world: World, rounds: number): Promise<readonly Measurement[]> {
  const socket = '/run/bench/nix-daemon.sock';
  const daemon = world.node.spawn('nix-daemon', ['nix-daemon'], { NIX_DAEMON_SOCKET_PATH: socket });
  await waitFor(daemon, async () => existsSync(world.node.hostPath(socket)));
  const cell: Cell = {
    subject: 'nix-daemon',
    async measure() {
      return { 'connect to a Nix daemon': (await world.client.greet({ socket })).milliseconds };
    },
  };
  const greetings = await inRounds([cell], { part: 'a', unit: 'ms', rounds });
  await daemon.stop();
  return greetings;
}
