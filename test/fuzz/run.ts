import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

/**
 * `npm run fuzz -- --seconds N [--seed S] [target…]`: each target, or each that is named. An input that finds something is
 * kept below `seeds/`, where the unit tests repeat it.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '30' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
const names = positionals.length === 0 ? Object.keys(TARGETS) : positionals;
process.stdout.write(`seed ${seed}, ${values.seconds} s each\n`);
const results = await fuzz({ targets: names, seconds: Number(values.seconds), seed });
for (const { name, inputs, outcomes, found } of results) {
  process.stdout.write(
    `${name.padEnd(16)} ${String(inputs).padStart(9)} inputs ${String(outcomes).padStart(6)} outcomes\n`,
  );
  if (found !== undefined)
    process.stdout.write(`  FOUND, kept as ${found.file}\n  ${found.error.replaceAll('\n', '\n  ')}\n`);
}
process.exitCode = results.some(({ found }) => found !== undefined) ? 1 : 0;
