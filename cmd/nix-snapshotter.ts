#!/usr/bin/env node
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { DEFAULT_CONFIG_PATH } from '../src/config/load.ts';
import { messageOf, StatusError } from '../src/errors.ts';
import { requireNode } from '../src/node-version.ts';
import { guardOutput } from '../src/output.ts';
import { printable } from '../src/printable.ts';
import { LOG_LEVELS } from '../src/log.ts';
import { VERSION } from '../src/version.ts';

const ADDRESS = { alias: 'a', type: 'string', requiresArg: true } as const;
const CONFIG = {
  alias: 'c',
  type: 'string',
  requiresArg: true,
  coerce(file: string): string {
    if (file === '') throw new StatusError('InvalidArgument', '--config: a file is expected');
    return file;
  },
  describe: `Configuration file [${DEFAULT_CONFIG_PATH}]`,
} as const;
const LOG_LEVEL = {
  alias: 'l',
  choices: LOG_LEVELS,
  default: 'info',
  describe: 'Least severe level that is logged',
} as const;

const EXIT_CODES =
  'Exit codes: 0 done; 1 failed; 2 wrong use: a flag, an argument, or what the configuration file says.';

const parser = yargs(hideBin(process.argv))
  .scriptName('nix-snapshotter')
  .usage('$0 [options]\n\nA containerd snapshotter that understands Nix store paths.')
  .command(
    '$0',
    'Run the snapshotter daemon',
    (command) =>
      command
        .option('address', { ...ADDRESS, describe: 'Unix socket to serve gRPC on' })
        .option('root', {
          type: 'string',
          requiresArg: true,
          describe: 'Directory for metadata, snapshots and GC roots',
        })
        .option('config', CONFIG)
        .option('log-level', LOG_LEVEL)
        .example('$0', 'Run the daemon, as its unit does')
        .example(
          '$0 --config config.toml --log-level debug',
          'Run it with a configuration file, and log every call',
        ),
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
        .option('address', { ...ADDRESS, describe: 'Unix socket of the daemon' })
        .option('config', CONFIG)
        .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
        .option('watch', {
          alias: 'w',
          type: 'boolean',
          default: false,
          describe:
            'Go on until Ctrl-C: drawn anew on a terminal, else a line for each change, or for each look with --json',
        })
        .option('interval', {
          type: 'number',
          requiresArg: true,
          default: 1,
          describe: 'Seconds between two looks with --watch, 0.1 to 3600',
        })
        .example('$0 status', 'Show snapshots, closures, and what is realised now')
        .example('$0 status --watch', 'Follow what is realised')
        .example('$0 status --json | jq .problems', 'Show what the daemon could not repair')
        .epilogue(EXIT_CODES),
    async (options) => {
      const { printStatus } = await import('../src/status/print.ts');
      await printStatus(options);
    },
  )
  .command(
    'doctor',
    'Look for what is wrong on this host, and say how to mend it; changes nothing without --repair',
    (command) =>
      command
        .option('address', { ...ADDRESS, describe: 'Unix socket of the daemon' })
        .option('config', CONFIG)
        .option('repair', {
          type: 'boolean',
          default: false,
          describe: 'Mend snapshots that are damaged or lost, here and in containerd',
        })
        .option('root', {
          type: 'string',
          requiresArg: true,
          describe: 'With --repair, directory of a daemon that does not run',
        })
        .option('dry-run', {
          type: 'boolean',
          default: false,
          describe: 'With --repair, only show what would be done',
        })
        .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
        .check(({ repair, dryRun, root }) => {
          if (!repair && (dryRun || root !== undefined))
            throw new StatusError('InvalidArgument', 'doctor: --dry-run and --root go with --repair');
          return true;
        })
        .example('$0 doctor', 'Say what is wrong on this host, and how to mend it')
        .example("$0 doctor --json | jq -r '.findings[].id'", 'List what was found')
        .example('$0 doctor --repair --dry-run', 'Show what would be repaired in the state of the daemon')
        .epilogue(
          'Exit codes: 0 nothing is wrong, or warnings alone; 1 something does not work; 2 wrong use.',
        ),
    async ({ repair, ...options }) => {
      if (repair) {
        const { repairCommand } = await import('../src/repair-command.ts');
        return await repairCommand(options);
      }
      const { doctorCommand } = await import('../src/doctor-command.ts');
      await doctorCommand(options);
    },
  )
  .command(
    'rootless',
    "Run the daemon in the namespaces of this user's RootlessKit",
    (command) =>
      command
        .option('check', {
          type: 'boolean',
          default: false,
          describe: 'Only say what hinders containers without root here',
        })
        .option('address', {
          ...ADDRESS,
          describe: 'Unix socket to serve gRPC on [$XDG_RUNTIME_DIR/nix-snapshotter/nix-snapshotter.sock]',
        })
        .option('root', {
          type: 'string',
          requiresArg: true,
          describe: 'Directory for metadata, snapshots and GC roots [~/.local/share/nix-snapshotter]',
        })
        .option('config', {
          ...CONFIG,
          describe: 'Configuration file [~/.config/nix-snapshotter/config.toml]',
        })
        .option('log-level', LOG_LEVEL)
        .option('state-dir', {
          type: 'string',
          requiresArg: true,
          describe: "State directory of containerd's RootlessKit [$XDG_RUNTIME_DIR/containerd-rootless]",
        })
        .example('$0 rootless --check', 'Say what hinders containers without root')
        .example('$0 rootless', 'Run the daemon of this user, as its unit does')
        .epilogue(EXIT_CODES),
    async (options) => {
      const { rootlessCommand } = await import('../src/rootless-command.ts');
      await rootlessCommand(options);
    },
  )
  .command(
    'view-helper',
    'Make views for the rootless daemon of one user; needs root',
    (command) =>
      command
        .option('user', {
          type: 'number',
          requiresArg: true,
          demandOption: true,
          describe: 'Id of the user who may ask for views',
        })
        .option('config', CONFIG)
        .option('log-level', LOG_LEVEL)
        .example('$0 view-helper --user 1000', 'Make views for user 1000, as its unit does')
        .epilogue(EXIT_CODES),
    async (options) => {
      const { viewHelperCommand } = await import('../src/view-helper-command.ts');
      await viewHelperCommand(options);
    },
  )
  .command(
    'setup',
    'Make containerd and its clients use the daemon, or undo that',
    (command) =>
      command
        .option('containerd', {
          type: 'boolean',
          default: false,
          describe: 'Set up containerd, with CRI and the kubelet',
        })
        .option('hosts', {
          type: 'boolean',
          default: false,
          describe: 'Only lead the reserved hosts to the resolver, where containerd is configured otherwise',
        })
        .option('k3s', { type: 'boolean', default: false, describe: 'Set up k3s' })
        .option('nerdctl', { type: 'boolean', default: false, describe: 'Set up nerdctl' })
        .option('podman', { type: 'boolean', default: false, describe: 'Set up podman, buildah and skopeo' })
        .option('print', {
          type: 'boolean',
          default: false,
          describe: 'Only show the files, to be placed by hand',
        })
        .option('dry-run', { type: 'boolean', default: false, describe: 'Only show what would change' })
        .option('undo', {
          type: 'boolean',
          default: false,
          describe: 'Remove what setup wrote: for these, or for all when none is given',
        })
        .option('config', { ...CONFIG, describe: `The daemon's configuration file [${DEFAULT_CONFIG_PATH}]` })
        .option('root-dir', {
          type: 'string',
          requiresArg: true,
          describe: 'Top of a file tree to set up in place of this node, such as an image that is built',
        })
        .option('containerd-version', {
          type: 'string',
          requiresArg: true,
          describe: 'Version of a containerd that cannot be asked, such as 2.3.7',
        })
        .check(({ containerd, hosts, k3s, nerdctl, podman, print, undo, dryRun }) => {
          if (!(undo || containerd || hosts || k3s || nerdctl || podman))
            throw new StatusError(
              'InvalidArgument',
              'setup: give --containerd, --hosts, --k3s, --nerdctl or --podman',
            );
          if (print && (undo || dryRun))
            throw new StatusError('InvalidArgument', 'setup: --print goes with neither --undo nor --dry-run');
          return true;
        })
        .example('$0 setup --containerd --nerdctl --dry-run', 'Show what would change')
        .example('$0 setup --containerd --nerdctl', 'Set up containerd with CRI, and nerdctl')
        .example('$0 setup --undo', 'Take back all that setup wrote')
        .epilogue(EXIT_CODES),
    async ({ containerd, hosts, k3s, nerdctl, podman, ...options }) => {
      const chosen = { containerd, hosts, k3s, nerdctl, podman };
      const { TARGETS } = await import('../src/setup/file-change.ts');
      const { setupCommand } = await import('../src/setup-command.ts');
      await setupCommand({ ...options, targets: TARGETS.filter((target) => chosen[target]) });
    },
  )
  .epilogue(EXIT_CODES)
  .strict()
  // Of a flag that is given twice the last one counts, as with most programs.
  .parserConfiguration({ 'duplicate-arguments-array': false })
  .wrap(110)
  .version(VERSION)
  .help()
  .fail((message, error) => {
    if (error !== undefined && error !== null && error.name !== 'YError') throw error;
    const line = message.replaceAll(/\s*\n\s*/g, ' ');
    throw new StatusError('InvalidArgument', `${line}; see nix-snapshotter --help`);
  });

guardOutput('nix-snapshotter');
try {
  requireNode(process.versions.node);
  await parser.parseAsync();
} catch (error) {
  process.stderr.write(`nix-snapshotter: ${printable(messageOf(error))}\n`);
  process.exitCode = error instanceof StatusError && error.code === 'InvalidArgument' ? 2 : 1;
}
