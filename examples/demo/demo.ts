import { messageOf } from '../../src/errors.ts';
import { sandboxUnavailable } from '../../test/sandbox/available.ts';
import { Sandbox } from '../../test/sandbox/sandbox.ts';
import { formatSeconds } from './format.ts';
import { NodeShell } from './node-shell.ts';
import { type DemoOptions, parseOptions } from './options.ts';
import { Report } from './report.ts';
import { IMAGES_INTRODUCTION, showImages } from './show-images.ts';
import { KUBERNETES_INTRODUCTION, showKubernetes } from './show-kubernetes.ts';
import { bundlePrograms } from './steps/bundle.ts';

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
    report.say(options.kubernetes ? KUBERNETES_INTRODUCTION : IMAGES_INTRODUCTION);
    const signal = await Promise.race([show(options), interruption()]);
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

async function show(options: DemoOptions): Promise<undefined> {
  report.begin('A node of its own');
  await bundlePrograms(report);
  const log = (line: string): void => report.say(line);
  node = await Sandbox.up({ suite: 'trixie', name: 'demo', detached: options.keep, log });
  const shell = new NodeShell({}, { node, report });
  await (options.kubernetes ? showKubernetes(shell, options) : showImages(shell, options));
  return undefined;
}
