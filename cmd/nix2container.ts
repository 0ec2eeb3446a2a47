import process from 'node:process';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { messageOf } from '../src/errors.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const many = (describe: string) =>
  ({ type: 'string', array: true, nargs: 1, default: [], describe }) as const;
const one = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

const program = yargs(hideBin(process.argv))
  .scriptName('nix2container')
  .usage('$0 COMMAND\n\nBuilds container images whose layers name Nix store paths, and brings them to nodes.')
  .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false, 'dot-notation': false })
  .version(process.env['NIX_SNAPSHOTTER_VERSION'] ?? 'source')
  .option('address', {
    ...one('containerd socket'),
    alias: 'a',
    default: process.env['CONTAINERD_ADDRESS'] ?? '/run/containerd/containerd.sock',
    global: true,
  })
  .option('namespace', {
    ...one('containerd namespace'),
    alias: 'n',
    default: process.env['CONTAINERD_NAMESPACE'] ?? 'default',
    global: true,
  })
  .option('log-level', {
    ...one('taken for compatibility; "error" hides warnings'),
    alias: 'l',
    default: 'info',
  })
  .command(
    'build [args..]',
    'Build an image from store paths: build [options] OUT, or build [options] STORE-PATH... [OUT]',
    (y) =>
      y
        .positional('args', {
          type: 'string',
          array: true,
          default: [],
          describe: 'store paths, and the file to write',
        })
        .option('out', { ...one('file (or, for oci-layout, directory) to write'), alias: 'o' })
        .option('config', one('JSON file with the config object of the OCI image specification'))
        .option('closure', one('store-paths file of a closureInfo; without it Nix is asked'))
        .option(
          'copy-to-root',
          many('store directory to link at /, or JSON file with a list of them; repeatable'),
        )
        .option('from-image', one('base image: OCI layout, OCI archive or docker archive'))
        .option('ref', one('image name; default: nix:0OUT:latest in the store, else localhost/FILE:latest'))
        .option('platform', one('os/arch[/variant]; default: what the programs in the image are built for'))
        .option('format', {
          choices: ['oci-archive', 'oci-layout', 'docker-archive'] as const,
          default: 'oci-archive' as const,
          describe: 'what to write',
        })
        .option('compression', {
          choices: ['gzip', 'zstd', 'none'] as const,
          default: 'gzip' as const,
          describe: 'of the layer that is added',
        })
        .option('annotate', {
          choices: ['closure', 'paths'] as const,
          default: 'closure' as const,
          describe: 'name the closure by a closureInfo made by Nix, or path by path (older format)',
        })
        .option('entrypoint', many('a word of the entrypoint, or a JSON array; repeatable'))
        .option('cmd', many('a word of the command, or a JSON array; repeatable'))
        .option('env', { ...many('NAME=VALUE; repeatable'), alias: 'e' })
        .option('label', many('NAME=VALUE; repeatable'))
        .option('user', one('user or uid, with :group or :gid'))
        .option('workdir', one('working directory'))
        .option('real-store', {
          ...one('directory that holds what containers see as /nix/store'),
          default: '/nix/store',
        }),
    async (argv) => {
      const [{ buildCommand }, { NixPrograms }, { StoreFiles }, { formatPlatform }] = await Promise.all([
        import('../src/image/build-command.ts'),
        import('../src/image/nix-query.ts'),
        import('../src/image/store-files.ts'),
        import('../src/image/platform.ts'),
      ]);
      const store = new StoreFiles({ realStoreDir: argv.realStore });
      const { args, ...flags } = defined(argv);
      const result = await buildCommand({ ...flags, args: args ?? [] }, { store, nix: new NixPrograms() });
      if (argv.logLevel !== 'error') for (const warning of result.warnings) tell(`warning: ${warning}`);
      print(
        `${result.out}: ${result.ref} for ${formatPlatform(result.platform)}, ${result.storePaths} store paths, ` +
          `manifest ${result.digest}`,
      );
    },
  )
  .demandCommand(1, 'name a command')
  .strict()
  .wrap(110)
  .fail((message, error, y) => {
    if (error !== undefined && error !== null) throw error;
    tell(`${message}; see "${['nix2container', ...process.argv.slice(2, 3)].join(' ')} --help"`);
    y.exit(EXIT_USAGE, new Error(message));
  });

/** yargs gives undefined for what was not given; the project's types have it absent. */
function defined<T extends object>(argv: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(argv).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function tell(line: string): void {
  process.stderr.write(`nix2container: ${line}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  tell(messageOf(error));
  process.exitCode = EXIT_FAILURE;
}
