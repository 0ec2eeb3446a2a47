import { execa } from 'execa';
import { matrix } from '../integration/support/matrix.ts';
import { judge } from './goals.ts';
import { parseOptions, USAGE } from './options.ts';
import { report } from './report.ts';
import { soak } from './soak.ts';

/** `npm run soak`: clients pull, run and remove for minutes; what is left afterwards is told. Exit code 1 for a goal missed. */
const options = parseOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(USAGE);
} else {
  const [row] = await matrix([options.containerd]);
  if (row === undefined || row.skip !== false) throw new Error(`the soak cannot run here: ${row?.skip}`);
  await execa('node', ['build.ts'], { stdio: 'inherit' });
  const result = await soak({
    row,
    clients: options.clients,
    milliseconds: options.minutes * 60_000,
    log: (line) => process.stdout.write(`${line}\n`),
  });
  process.stdout.write(`\n${report(result)}`);
  process.exitCode = judge(result).every(({ met }) => met) ? 0 : 1;
}
