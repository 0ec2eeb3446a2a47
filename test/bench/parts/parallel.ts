import type { Part } from '../part.ts';
import { type Cell, inRounds } from '../rounds.ts';
import { loadForStart, unloadAll } from './start.ts';

/** How many containers are started at once. */
export const PARALLEL = 20;

export const parallel: Part = {
  letter: 'd',
  title: `${PARALLEL} containers in parallel`,
  about: `${PARALLEL} times \`ctr run --rm\` at once, from the first start to the last end.`,
  async run(world, { paths, rounds }) {
    const loaded = await loadForStart(world, paths);
    let runs = 0;
    const cells = loaded.map(
      ({ subject, archive, size, floor, name }): Cell => ({
        subject: name,
        floor,
        ...(size === undefined ? {} : { size }),
        async measure() {
          runs += 1;
          const ids = Array.from({ length: PARALLEL }, (_, index) => `parallel-${runs}-${index}`);
          const run = await world.client.exec(ids.map((id) => world.runCommand(subject, archive, id)));
          return { [`${PARALLEL} × ctr run --rm`]: run.milliseconds };
        },
      }),
    );
    const times = await inRounds(cells, { part: 'd', unit: 'ms', rounds });
    await unloadAll(world);
    return times;
  },
};
