import { appendFileSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadConfig } from '../../../src/config/load.ts';
import { runService } from '../../../src/host/run-service.ts';
import { createLog } from '../../../src/log.ts';
import type { Boundary } from '../../../src/snapshot/steps.ts';
import { CROSSED, lineOf, type Orders, ORDERS } from './orders.ts';

/**
 * The daemon as the program runs it, but for a listener at the boundaries of its steps: it writes down each that is crossed and does
 * what {@link ORDERS} says.
 */
const { values } = parseArgs({
  options: {
    address: { type: 'string' },
    root: { type: 'string' },
    config: { type: 'string' },
    'log-level': { type: 'string' },
  },
});
const log = createLog('warn');
const { address = '', root = '' } = values;
// As the program does: LevelDB's addon is found beside a chunk.
const { startDaemon } = await import('../../../src/daemon/start.ts');
const config = await loadConfig(values.config, { address, root });
await runService(() => startDaemon({ config, endpoint: { path: config.address } }, { log, onBoundary }), log);

function onBoundary(boundary: Boundary): void {
  const line = lineOf(boundary);
  const { kill, stop, fail } = JSON.parse(readFileSync(ORDERS, 'utf8')) as Orders;
  appendFileSync(CROSSED, `${line}\n`);
  const times = readFileSync(CROSSED, 'utf8')
    .split('\n')
    .filter((other) => other === line).length;
  const isIt = (order: Orders['kill']) => order?.line === line && order.time === times;
  if (isIt(kill)) process.kill(process.pid, 'SIGKILL');
  if (isIt(stop)) process.kill(process.pid, 'SIGSTOP');
  if (isIt(fail)) throw new Error(`${line} fails as it was told to`);
}
