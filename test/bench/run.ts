import { execa } from 'execa';
import { measureDaemon, measureNode, type Measured } from './daemon-process.ts';

/** `npm run bench`: side by side on this machine, in turns, medians; compare the ratios, not the figures. */
const ROUNDS = 7;

await execa('node', ['build.ts'], { stdio: 'inherit' });
await measureDaemon();
const daemon: Measured[] = [];
const node: Measured[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  node.push(await measureNode());
  daemon.push(await measureDaemon());
}

process.stdout.write(`median of ${ROUNDS}             bare node     daemon      ratio    goal\n`);
row('start until ready, ms', (measured) => measured.readyMs, '300');
row('resident when idle, MiB', (measured) => measured.residentMiB, '75');
row('private when idle, MiB', (measured) => measured.privateMiB, '');

function row(name: string, figure: (measured: Measured) => number, goal: string): void {
  const floor = median(node.map(figure));
  const ours = median(daemon.map(figure));
  const cells = [floor.toFixed(1), ours.toFixed(1), (ours / floor).toFixed(2), goal].map((cell) =>
    cell.padStart(10),
  );
  process.stdout.write(`${name.padEnd(24)}${cells.join(' ')}\n`);
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
