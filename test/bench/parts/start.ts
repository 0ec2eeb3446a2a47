import { type Archive, closureArchive, contentArchive, plainArchive } from '../archives.ts';
import type { Measurement } from '../measurement.ts';
import type { Part } from '../part.ts';
import { type Cell, inRounds } from '../rounds.ts';
import type { Subject, World } from '../world.ts';

/** An image that a subject has loaded. */
export interface Loaded {
  readonly subject: Subject;
  readonly archive: Archive;
  readonly size?: number;
  readonly floor: boolean;
  /** The subject's name, or what it stands for. */
  readonly name: string;
}

/** The largest closure whose content is also made into ordinary layers: 50,000 files. */
const LARGEST_CONTENT = 1000;

/**
 * Loads what containers are started from: a busybox on containerd's overlayfs as the floor, each closure's content as
 * ordinary layers, and each closure named by an image.
 */
export async function loadForStart(world: World, paths: readonly number[]): Promise<readonly Loaded[]> {
  const { node, overlayfs, closureSubjects } = world;
  const loaded: Loaded[] = [
    { subject: overlayfs, archive: await plainArchive(node), floor: true, name: 'floor' },
  ];
  for (const size of paths) {
    const closure = await world.closure(size);
    if (size <= LARGEST_CONTENT) {
      const archive = await contentArchive(node, closure);
      loaded.push({ subject: overlayfs, archive, size, floor: false, name: overlayfs.name });
    }
    const archive = await closureArchive(node, closure, 'start', 'closure');
    for (const subject of closureSubjects) {
      loaded.push({ subject, archive, size, floor: false, name: subject.name });
    }
  }
  for (const { subject, archive } of loaded) await world.load(subject, archive);
  return loaded;
}

/** Takes away what {@link loadForStart} loaded. */
export async function unloadAll(world: World): Promise<void> {
  for (const subject of [world.overlayfs, ...world.closureSubjects]) await world.unload(subject);
}

/** Rounds for each that was asked for: a start is short, and neighbours shift it by more than what is looked for. */
const MORE_ROUNDS = 3;

/** `ctr run --rm` of loaded images, and the mounts that the host has for a running container. */
export async function measureStart(
  world: World,
  part: string,
  paths: readonly number[],
  rounds: number,
): Promise<readonly Measurement[]> {
  const loaded = await loadForStart(world, paths);
  let runs = 0;
  const cells = loaded.map(
    ({ subject, archive, size, floor, name }): Cell => ({
      subject: name,
      floor,
      ...(size === undefined ? {} : { size }),
      async measure() {
        runs += 1;
        const run = await world.client.exec([world.runCommand(subject, archive, `run-${runs}`)]);
        return {
          'ctr run --rm': run.milliseconds,
          'until its first output': run.firstByte,
          'from its first output to its end': run.milliseconds - run.firstByte,
        };
      },
    }),
  );
  const times = await inRounds(cells, { part, unit: 'ms', rounds: rounds * MORE_ROUNDS });
  const mounts: Measurement[] = [];
  for (const { subject, archive, size, floor, name } of loaded) {
    mounts.push({
      part,
      metric: 'mounts on the host for one container',
      subject: name,
      ...(size === undefined ? {} : { size }),
      unit: 'mounts',
      floor,
      samples: [await world.mountsOfContainer(subject, archive)],
    });
  }
  await unloadAll(world);
  return [...times, ...mounts];
}

export const start: Part = {
  letter: 'c',
  title: 'Container start and teardown',
  about:
    'A container that prints one line, from the start of `ctr` to its end. The floor is a busybox image on containerd’s overlayfs.',
  run: (world, { paths, rounds }) => measureStart(world, 'c', paths, rounds),
};
