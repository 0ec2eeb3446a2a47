import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { DEFAULT_CONFIG_PATH } from '../src/config/load.ts';
import { messageOf, StatusError } from '../src/errors.ts';
import { LOG_LEVELS } from '../src/log.ts';
import { VERSION } from '../src/version.ts';

const parser = yargs(hideBin(process.argv))
  .scriptName('nix-snapshotter')
  .usage('$0 [options]\n\nA containerd snapshotter that understands Nix store paths.')
  .command(
    '$0',
    'Run the snapshotter daemon',
    (command) =>
      command
        .option('address', {
          alias: 'a',
          type: 'string',
          requiresArg: true,
          describe: 'Unix socket to serve gRPC on',
        })
        .option('root', {
          type: 'string',
          requiresArg: true,
          describe: 'Directory for metadata, snapshots and GC roots',
        })
        .option('config', {
          alias: 'c',
          type: 'string',
          requiresArg: true,
          describe: `Configuration file [${DEFAULT_CONFIG_PATH}]`,
        })
        .option('log-level', {
          alias: 'l',
          choices: LOG_LEVELS,
          default: 'info' as const,
          describe: 'Least severe level that is logged',
        }),
    async (options) => {
      const { serve } = await import('../src/serve.ts');
      await serve(options);
    },
  )
  .command(
    'status',
    'Show what the running daemon holds and does',
    (command) =>
      command
        .option('address', {
          alias: 'a',
          type: 'string',
          requiresArg: true,
          describe: 'Unix socket of the daemon',
        })
        .option('config', {
          alias: 'c',
          type: 'string',
          requiresArg: true,
          describe: `Configuration file [${DEFAULT_CONFIG_PATH}]`,
        })
        .option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
    async (options) => {
      const { printStatus } = await import('../src/status/print.ts');
      await printStatus(options);
    },
  )
  .strict()
  .version(VERSION)
  .help()
  .fail((message, error) => {
    if (error !== undefined && error !== null && error.name !== 'YError') throw error;
    throw new StatusError('InvalidArgument', `${message}; see nix-snapshotter --help`);
  });

try {
  await parser.parseAsync();
} catch (error) {
  process.stderr.write(`nix-snapshotter: ${messageOf(error)}\n`);
  process.exitCode = error instanceof StatusError && error.code === 'InvalidArgument' ? 2 : 1;
}
