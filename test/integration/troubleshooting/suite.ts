import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ProblemId } from '../../../src/problems/definitions.ts';
import type { AvailableRow } from '../support/matrix.ts';
import type { Clients } from './clients.ts';
import { commandsOf } from './page.ts';
import { type Broken, SCENARIOS } from './scenarios.ts';
import { factsIn } from './sentence.ts';
import { World } from './world.ts';

/** The cache gets them later. */
const NOT_PUSHED = ['absent', 'stale-miss'];
const MENDED_PATH = '/tmp/mended-path';

/** What tests of a set-up that is broken and mended have at hand. */
export interface Mending {
  readonly world: World;
  readonly clients: Clients;
  /** Runs a section's commands; returns the path that a container is then run of. */
  readonly mend: (problem: ProblemId, variables: Readonly<Record<string, string>>) => Promise<string>;
}

/**
 * Breaks a set-up in each way that has a section in `docs/troubleshooting.md`, reads what the clients say of it, runs the commands of
 * the section, and only those, with what the sentence names and the person knows, and then a container.
 *
 * @param clientsOf called once, while nothing is broken.
 * @param further declares more tests of this set-up.
 */
export function troubleshootingSuite(
  row: AvailableRow,
  clientsOf: (world: World) => Clients | Promise<Clients>,
  further: (mending: () => Mending) => void = () => {},
): void {
  describe(`what is wrong, and what mends it, on containerd ${row.title}`, { skip: row.skip }, () => {
    let world: World;
    let clients: Clients;
    before(async () => {
      const problems = Object.keys(SCENARIOS).filter((id) => !NOT_PUSHED.includes(id));
      world = await World.up(row, {
        pushed: problems,
        built: [...NOT_PUSHED, 'right-architecture', 'snapshotter-down'],
      });
      clients = await clientsOf(world);
    });
    afterEach(async () => await world.restore());
    after(async () => await world.down());

    const mend = async (problem: ProblemId, variables: Readonly<Record<string, string>>): Promise<string> => {
      const { node } = world.rig;
      const text = `${await commandsOf(problem)}\nprintf %s "$path" > ${MENDED_PATH}`;
      await node.exec(['bash', '-euc', text], { env: variables });
      return await node.readFile(MENDED_PATH);
    };

    for (const [id, scenario] of Object.entries(SCENARIOS)) {
      const problem = id as keyof typeof SCENARIOS;
      it(problem, async () => {
        const path = world.pathOf(problem);
        const { facts, known = {}, ends }: Broken = await scenario(world);
        let told = {};
        for await (const { text } of clients.refusals(path))
          told = factsIn(text, problem, { path, ...facts });
        const log = await world.rig.snapshotter.logs();
        factsIn(log, problem, { path, ...facts });
        await ends?.();
        const mended = await mend(problem, { path, ...told, ...known });
        assert.match(await clients.run(mended), /^Hello from /);
        const secret = 'password' in known ? known.password : undefined;
        if (secret !== undefined) {
          const since = await world.rig.snapshotter.logs();
          assert.ok(!since.includes(secret) && !since.includes('as-it-was'), 'the log has a password');
        }
      });
    }

    further(() => ({ world, clients, mend }));
  });
}
