import { messageOf } from '../../src/errors.ts';
import { sandboxUnavailable } from '../../test/sandbox/available.ts';
import { Sandbox } from '../../test/sandbox/sandbox.ts';
import { formatSeconds } from './format.ts';
import { NodeShell } from './node-shell.ts';
import { parseOptions } from './options.ts';
import { Report } from './report.ts';
import { bundlePrograms } from './steps/bundle.ts';
import { moveToCache } from './steps/cache.ts';
import { showOrigin } from './steps/evidence.ts';
import { collectGarbage } from './steps/garbage.ts';
import { buildImages } from './steps/images.ts';
import { explainKept } from './steps/keep.ts';
import { describeNode, startServices } from './steps/node.ts';
import { makePackages } from './steps/packages.ts';
import { runRedis } from './steps/redis.ts';
import { runVisitors } from './steps/visitors.ts';

const report = new Report({ width: 100 }, { out: process.stdout });
let node: Sandbox | undefined;

/** What ends the demo early, and the exit code then: 128 and the signal's number, as shells have it. */
const SIGNALS = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;

process.exitCode = await run();
// A step that was interrupted may still wait for what it started.
if (process.exitCode > 1) process.exit();

/** Runs the demo. Returns the exit code. */
async function run(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n`);
    return 2;
  }
  const start = performance.now();
  const took = (): string => formatSeconds(performance.now() - start);
  try {
    const unavailable = sandboxUnavailable();
    if (unavailable !== undefined) {
      const hint = process.geteuid?.() === 0 ? '' : ' (try "sudo npm run demo")';
      process.stderr.write(`The demo cannot run here: ${unavailable}${hint}.\n`);
      return 1;
    }
    report.title('nix-snapshotter: containers whose files come from the Nix store of the node');
    report.say(
      'An ordinary image carries its programs as bytes in layers. A Nix layer only names them, by store path: ' +
        'the node has Nix fetch each path once, and every container uses those same files.',
    );
    const signal = await Promise.race([show(options.keep), interruption()]);
    if (signal !== undefined) {
      await node?.down();
      report.title(`\nInterrupted, and taken down, ${took()} after the start.`);
      return SIGNALS[signal];
    }
    if (!options.keep) {
      await node?.down();
      report.title(`\nDone, and nothing is left behind, ${took()} after the start.`);
    }
    return 0;
  } catch (error) {
    process.stderr.write(`\nStep "${report.step}" failed: ${messageOf(error)}\n`);
    await node?.down();
    return 1;
  }
}

/** Resolves at the first signal that asks for the end, or when nobody reads the output any more. */
async function interruption(): Promise<keyof typeof SIGNALS> {
  return await new Promise((resolve) => {
    // Not once: execa ends this process by the signal if no other listener is left.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve(signal));
    process.stdout.on('error', () => resolve('SIGPIPE'));
  });
}

async function show(keep: boolean): Promise<undefined> {
  report.begin('A node of its own');
  await bundlePrograms(report);
  const log = (line: string): void => report.say(line);
  node = await Sandbox.up({ suite: 'trixie', name: 'demo', detached: keep, log });
  const shell = new NodeShell({}, { node, report });
  const containerd = await startServices(node, report);
  report.say(describeNode(node, containerd));

  report.begin('Two programs, built by Nix');
  const packages = await makePackages(node, report);

  report.begin('Two images that name them');
  const images = await buildImages(shell, packages);

  report.begin('A binary cache has the store paths, the node has none');
  const meter = await moveToCache(shell, images);

  report.begin('The first image runs: redis');
  await runRedis(shell, images, meter);

  report.begin('Where its files come from');
  await showOrigin(shell, packages);

  report.begin('The second image shares what is there');
  await runVisitors(shell, { images, packages, meter });

  if (keep) {
    report.begin('Over to you');
    explainKept(shell, images);
    return undefined;
  }
  report.begin('What an image needs is never collected');
  await collectGarbage(shell, images, packages);
  return undefined;
}
