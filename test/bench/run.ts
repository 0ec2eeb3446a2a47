import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { execa } from 'execa';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { printMinutes, Stopwatch } from '../stopwatch.ts';
import type { BenchResult, Measurement } from './measurement.ts';
import { parseOptions, USAGE, type BenchOptions } from './options.ts';
import { growth } from './parts/growth.ts';
import { memory } from './parts/memory.ts';
import { parallel } from './parts/parallel.ts';
import { pull } from './parts/pull.ts';
import { rpc } from './parts/rpc.ts';
import { start } from './parts/start.ts';
import { unpack } from './parts/unpack.ts';
import { writeReport } from './report/write-report.ts';
import { plainText, tablesOf, verdictTable } from './tables.ts';
import { World } from './world.ts';

/** `npm run bench`: everything side by side on one node, in turns; compare the ratios, not the figures. */
const PARTS = [unpack, pull, start, parallel, rpc, memory, growth];

const options = parseOptions(process.argv.slice(2));
if (options.help) process.stdout.write(USAGE);
else if (options.report !== undefined) await writeReport(options.report);
else await bench(options);

async function bench(chosen: BenchOptions): Promise<void> {
  const unavailable = sandboxUnavailable();
  if (unavailable !== undefined) throw new Error(`the benchmark cannot run here: ${unavailable}`);
  const parts = PARTS.filter(({ letter }) => chosen.only?.includes(letter) ?? true);
  if (parts.length === 0) throw new Error(`--only ${chosen.only?.join(',')}: no such part`);
  const watch = new Stopwatch();
  await execa('node', ['build.ts'], { stdio: 'inherit' });
  const peer = process.env['BENCH_PEER'];
  await using world = await watch.time('the node', () =>
    World.up({ containerd: chosen.containerd, ...(peer === undefined ? {} : { peer: resolve(peer) }) }),
  );
  for (const reason of world.missing) process.stdout.write(`left out: ${reason}\n`);
  process.stdout.write(`disk: ${world.setup['disk']}\n`);
  if (chosen.quick) process.stdout.write('a smoke run: these figures are no claim\n');
  const started = new Date().toISOString();
  const file = chosen.json ?? `bench-results/${started.slice(0, 19).replaceAll(':', '-')}.json`;
  await mkdir(dirname(resolve(file)), { recursive: true });
  const measurements: Measurement[] = [];
  for (const part of parts) {
    process.stdout.write(`\n(${part.letter}) ${part.title}. ${part.about}\n\n`);
    const found = await watch.time(`${part.letter} ${part.title}`, () => part.run(world, chosen));
    measurements.push(...found);
    for (const table of tablesOf(found, chosen.rounds)) process.stdout.write(`${plainText(table)}\n`);
    const result: BenchResult = {
      format: 1,
      date: started,
      ours: world.ours.name,
      quick: chosen.quick,
      rounds: chosen.rounds,
      setup: world.setup,
      missing: world.missing,
      minutes: watch.entries(),
      measurements,
    };
    // After each part: a run that is broken off keeps what it has.
    await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
  }
  process.stdout.write(plainText(verdictTable(measurements, world.ours.name)));
  printMinutes(watch.entries());
  process.stdout.write(`\nfigures: ${file}\n`);
}
