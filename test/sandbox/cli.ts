import { rm } from 'node:fs/promises';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { messageOf } from '../../src/errors.ts';
import { COMPONENTS, probe } from './components.ts';
import { CONTAINERD_VERSIONS, SNAPSHOTTER_SOCKET, startContainerd } from './containerd.ts';
import { SUITES } from './debian-base.ts';
import { debianDir, goDir } from './layout.ts';
import { Sandbox } from './sandbox.ts';
import { startSnapshotter } from './snapshotter.ts';
import { destroy, isNeeded, readStates, sweepDead } from './state.ts';

const log = (line: string): void => console.error(line);

const parser = yargs(hideBin(process.argv))
  .scriptName('npm run sandbox --')
  .parserConfiguration({ 'populate--': true })
  .command(
    'up',
    'bring a node up and leave it running',
    (y) =>
      y
        .option('suite', { choices: SUITES, default: 'trixie' as const })
        .option('name', { type: 'string', describe: 'first part of its id' })
        .option('containerd', {
          type: 'string',
          choices: CONTAINERD_VERSIONS,
          describe: 'start containerd',
        })
        .option('snapshotter', {
          type: 'boolean',
          default: false,
          describe: 'start our daemon (needs npm run build)',
        })
        .option('cri', { type: 'boolean', default: false, describe: 'turn containerd’s CRI service on' }),
    async ({ suite, name, containerd, snapshotter, cri }) => {
      const node = await Sandbox.up({ suite, detached: true, log, ...(name === undefined ? {} : { name }) });
      try {
        if (snapshotter) await startSnapshotter(node);
        if (containerd !== undefined) {
          const proxy = snapshotter ? { snapshotterSocket: SNAPSHOTTER_SOCKET } : {};
          await startContainerd(node, { version: containerd, cri, ...proxy });
        }
      } catch (error) {
        await node.down();
        throw error;
      }
      console.log(node.id);
    },
  )
  .command('list', 'the nodes there are', {}, async () => {
    for (const [id, state] of await readStates()) {
      const life = state === undefined || !isNeeded(state) ? 'dead' : state.detached ? 'detached' : 'in use';
      console.log(`${id}\t${life}\tpid ${state?.init?.pid ?? '-'}\t${state?.created ?? ''}`);
    }
  })
  .command(
    'exec <id> [command..]',
    'run a program inside, on this terminal; put -- before one that has options',
    (y) => y.positional('id', { type: 'string', demandOption: true }),
    async ({ id, command, '--': rest }) => {
      const words = [command ?? [], rest ?? []].flat().map(String);
      process.exitCode = await (await Sandbox.open(id)).interactive(words);
    },
  )
  .command(
    'shell <id>',
    'a shell inside',
    (y) => y.positional('id', { type: 'string', demandOption: true }),
    async ({ id }) => {
      process.exitCode = await (await Sandbox.open(id)).interactive(['bash', '-l']);
    },
  )
  .command(
    'down <id>',
    'take a node down',
    (y) => y.positional('id', { type: 'string', demandOption: true }),
    async ({ id }) => await (await Sandbox.open(id)).down(),
  )
  .command(
    'clean',
    'remove what dead nodes left',
    (y) =>
      y.option('all', {
        type: 'boolean',
        default: false,
        describe: 'running nodes, Debian folders and tools too',
      }),
    async ({ all }) => {
      for (const id of await sweepDead()) log(`removed ${id}`);
      if (!all) return;
      for (const [id, state] of await readStates()) {
        await destroy(id, state);
        log(`removed ${id}`);
      }
      for (const dir of [debianDir, goDir]) await rm(dir, { recursive: true, force: true });
    },
  )
  .command('probe', 'get every component and say what it is', {}, async () => {
    for (const component of COMPONENTS) {
      const found = await probe(component, log);
      console.log(`${component}\t${'version' in found ? found.version : `not available: ${found.reason}`}`);
    }
  })
  .demandCommand(1)
  .strict();

try {
  await parser
    .fail((text, error) => {
      throw error ?? new Error(`${text}; see --help`);
    })
    .parseAsync();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
