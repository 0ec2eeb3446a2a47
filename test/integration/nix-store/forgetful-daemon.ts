import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * `node forgetful-daemon.ts SCRIPT [ARGUMENT…]`: a `nix-daemon` that ends as soon as it has made a root, so that its temporary
 * roots are gone, and runs a shell script before the client hears of the root. So a collection looks that missed the root.
 */
const ADD_INDIRECT_ROOT = 12n;

const [script = '', ...args] = process.argv.slice(2);
const daemon = spawn('nix-daemon', args, { stdio: ['pipe', 'pipe', 'inherit'] });
const ended = once(daemon, 'exit');
let rooting = false;

// A client waits for each answer, so that each request comes by itself.
process.stdin.on('data', (request: Buffer) => {
  rooting = request.length >= 8 && request.readBigUInt64LE() === ADD_INDIRECT_ROOT;
  daemon.stdin.write(request);
});
process.stdin.on('end', () => daemon.stdin.end());
daemon.stdout.on('data', (answer: Buffer) => {
  if (!rooting) process.stdout.write(answer);
  else void forget(answer);
});
void ended.then(() => {
  if (!rooting) process.exit();
});

async function forget(answer: Buffer): Promise<void> {
  daemon.stdin.end();
  await ended;
  execFileSync('sh', [script], { stdio: 'ignore' });
  process.stdout.write(answer, () => process.exit());
}
