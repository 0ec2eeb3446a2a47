import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { bundle } from '../../../modules/release/bundle.ts';
import type { Boundary, Step } from '../../../src/snapshot/steps.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { KEEP_NOTHING, type SnapshotterOptions } from '../../sandbox/snapshotter.ts';
import { eventually } from '../support/rig.ts';
import { CROSSED, type Crossing, lineOf, type Orders, ORDERS } from './orders.ts';

const PLAIN = ['before', 'after'] as const;
const UNDONE = [...PLAIN, 'before undo', 'after undo'] as const;
const LATER = [...PLAIN, 'before work', 'after work'] as const;

/** The step table: the boundaries that each type of step has. A type that is missing here does not compile. */
const STEP_TABLE: Readonly<Record<Step['type'], readonly Boundary['at'][]>> = {
  realise: UNDONE,
  'make-directory': UNDONE,
  'make-mount-points': PLAIN,
  put: PLAIN,
  'copy-record': PLAIN,
  'realise-later': LATER,
  'show-later': LATER,
  'collect-views': LATER,
  'remove-directory': LATER,
  'remove-roots': PLAIN,
  'note-use': PLAIN,
  'retire-roots': PLAIN,
  'remove-garbage': PLAIN,
};

/** Every boundary that there is, as {@link lineOf} names it. */
export const ALL_BOUNDARIES: readonly string[] = Object.entries(STEP_TABLE).flatMap(([step, places]) =>
  places.map((at) => lineOf({ step: step as Step['type'], at })),
);

/** Bundles the daemon that does what it is told at its boundaries into a node, as the program is bundled. */
export async function faultyDaemon(node: Sandbox): Promise<SnapshotterOptions> {
  await bundle({ 'faulty-daemon': 'test/integration/crash/faulty-daemon.ts' }, node.hostPath('/opt/faulty'));
  const faults = new Faults(node);
  await node.exec(['mkdir', '-p', '/run/faults']);
  faults.order({});
  return { program: '/opt/faulty/faulty-daemon.mjs', config: KEEP_NOTHING };
}

/** Tells the faulty daemon of a node what to do, and hears what it crossed. */
export class Faults {
  readonly #node: Sandbox;

  constructor(node: Sandbox) {
    this.#node = node;
  }

  /** Counting of crossings begins anew. */
  order(orders: Orders): void {
    writeFileSync(this.#node.hostPath(CROSSED), '');
    writeFileSync(this.#node.hostPath(ORDERS), JSON.stringify(orders));
  }

  /** What was crossed since the last order, in order, once all work that was left for later has ended. */
  async crossings(): Promise<readonly Crossing[]> {
    const lines = await eventually(() => Promise.resolve(this.#ended()));
    return lines.map((line, index) => ({
      line,
      time: lines.slice(0, index + 1).filter((other) => other === line).length,
    }));
  }

  #ended(): readonly string[] {
    const lines = readFileSync(this.#node.hostPath(CROSSED), 'utf8').split('\n').filter(Boolean);
    const times = (line: string) => lines.filter((other) => other === line).length;
    for (const [step, places] of Object.entries(STEP_TABLE)) {
      if (places !== LATER) continue;
      const [begun, ended] = [times(`after ${step}`), times(`after work ${step}`)];
      assert.equal(ended, begun, `${step} goes on`);
    }
    return lines;
  }
}
