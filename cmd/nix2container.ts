#!/usr/bin/env node
import process from 'node:process';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import type { StorePath } from '../src/closure/store-path.ts';
import { messageOf } from '../src/errors.ts';
import { UsageError } from '../src/image/usage-error.ts';
import { requireNode } from '../src/node-version.ts';
import { guardOutput } from '../src/output.ts';
import { cleanText } from '../src/printable.ts';
import { VERSION } from '../src/version.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_CODES = 'Exit codes: 0 done; 1 failed; 2 wrong use: a flag or an argument.';

const many = (describe: string) =>
  ({ type: 'string', array: true, nargs: 1, default: [], describe }) as const;
const one = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

const program = yargs(hideBin(process.argv))
  .scriptName('nix2container')
  .usage('$0 COMMAND\n\nBuilds container images whose layers name Nix store paths, and brings them to nodes.')
  .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false, 'dot-notation': false })
  .version(VERSION)
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
        .option(
          'from-image',
          one('base image: OCI layout, OCI archive, docker archive, or JSON image of nlewo/nix2container'),
        )
        .option('layered', {
          type: 'boolean',
          default: false,
          describe: 'layers hold the store paths, for any client; this snapshotter downloads none of them',
        })
        .option('perms', one('JSON file: owners and modes of what --copy-to-root shows'))
        .option('fake-root', one('tar file that becomes the topmost layer as it is'))
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
          describe: 'of the layers that are added',
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
        })
        .example(
          '$0 build /nix/store/<hash>-hello hello.tar',
          'Write an image of a store path and its closure',
        )
        .example('$0 build --layered $(nix-build) hello.tar', 'The same, with layers for any client')
        .epilogue(EXIT_CODES),
    async (argv) => {
      const [{ buildCommand }, { NixPrograms }, { StoreFiles }, { formatPlatform }, { openBaseImage }] =
        await Promise.all([
          import('../src/image/build-command.ts'),
          import('../src/image/nix-query.ts'),
          import('../src/image/store-files.ts'),
          import('../src/image/platform.ts'),
          import('../src/store-image/open-base-image.ts'),
        ]);
      const store = new StoreFiles({ realStoreDir: argv.realStore });
      const nix = new NixPrograms();
      // In a Nix build, where the closure is given, nobody can be asked: such a JSON image lists its whole closure itself.
      const given = { closure: async (paths: readonly StorePath[]) => paths };
      const openBase = (path: string) =>
        openBaseImage(path, { store, nix: argv.closure === undefined ? nix : given });
      const result = await buildCommand(defined(argv), { store, nix, openBase });
      if (argv.logLevel !== 'error') for (const warning of result.warnings) tell(`warning: ${warning}`);
      print(
        `${result.out}: ${result.ref} for ${formatPlatform(result.platform)}, ${result.storePaths} store paths, ` +
          `manifest ${result.digest}`,
      );
      if (result.closure.kind === 'closure-info')
        print(
          `nodes fetch ${result.closure.path}: copy it to their binary cache, and its closure comes along`,
        );
    },
  )
  .command(
    'index <images..>',
    'Join images for different platforms into one image index',
    (y) =>
      y
        .positional('images', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'OCI layouts, OCI archives or docker archives of one image each',
        })
        .option('out', {
          ...one('file (or, for oci-layout, directory) to write'),
          alias: 'o',
          demandOption: true,
        })
        .option('ref', one('image name; default: nix:0OUT:latest in the store, else localhost/FILE:latest'))
        .option('format', {
          choices: ['oci-archive', 'oci-layout'] as const,
          default: 'oci-archive' as const,
          describe: 'what to write',
        })
        .example('$0 index amd64.tar arm64.tar --out both.tar', 'Join images of two platforms')
        .epilogue(EXIT_CODES),
    async (argv) => {
      const [{ indexImages }, { formatPlatform }] = await Promise.all([
        import('../src/image/index-images.ts'),
        import('../src/image/platform.ts'),
      ]);
      const { ref, digest, platforms } = await indexImages(defined(argv));
      print(`${argv.out}: ${ref} for ${platforms.map(formatPlatform).join(', ')}, index ${digest}`);
    },
  )
  .command(
    'load <path>',
    'Load an archive or layout into containerd and unpack it',
    (y) =>
      y
        .positional('path', {
          type: 'string',
          demandOption: true,
          describe: 'OCI layout, OCI archive or docker archive',
        })
        .option('snapshotter', { ...one('snapshotter to unpack with'), default: 'nix' })
        .option('ref', one('image name, instead of those in the archive'))
        .option('platform', {
          ...one('which image of a multi-platform archive to unpack'),
          default: `linux/${process.arch}`,
        })
        .example('$0 load hello.tar', 'Bring an image to containerd')
        .example('$0 --namespace k8s.io load hello.tar', 'The same, for pods')
        .epilogue(EXIT_CODES),
    async (argv) => {
      const [{ loadImages }, { parsePlatform }] = await Promise.all([
        import('../src/image/load.ts'),
        import('../src/image/platform.ts'),
      ]);
      const { platform, ...options } = defined(argv);
      const signal = interruption();
      for (const { name, digest } of await loadImages({
        ...options,
        signal,
        platform: parsePlatform(platform),
      })) {
        print(`${name}: ${digest}`);
      }
    },
  )
  .command(
    'push <path> [destination]',
    'Push the image of an archive or layout to a registry',
    (y) =>
      y
        .positional('path', {
          type: 'string',
          demandOption: true,
          describe: 'OCI layout, OCI archive or docker archive',
        })
        .positional('destination', { type: 'string', describe: 'the same as --ref' })
        .option('ref', one('where to; default: the name in the archive'))
        .option('plain-http', {
          type: 'boolean',
          default: false,
          describe: 'HTTP without TLS; loopback registries never need this',
        })
        .conflicts('ref', 'destination')
        .example('$0 push hello.tar example.org/hello:1', 'Push an image to a registry')
        .epilogue(EXIT_CODES),
    async (argv) => {
      const [{ pushImage }, { dockerCredentials }] = await Promise.all([
        import('../src/image/push.ts'),
        import('../src/image/docker-config.ts'),
      ]);
      const { destination, ...options } = defined(argv);
      const result = await pushImage(
        { ...(destination === undefined ? {} : { ref: destination }), ...options, signal: interruption() },
        { credentials: (registry) => dockerCredentials(registry, process.env) },
      );
      print(`${result.ref}: ${result.digest}, ${result.sent} blobs sent, ${result.present} were there`);
    },
  )
  .epilogue(EXIT_CODES)
  .demandCommand(1, 'name a command')
  .strict()
  .wrap(110)
  .fail((message, error) => {
    if (error !== undefined && error !== null && error.name !== 'YError') throw error;
    throw new UsageError(message);
  });

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** yargs gives undefined for what was not given; the project's types have it absent. */
function defined<T extends object>(argv: T): Defined<T> {
  return Object.fromEntries(Object.entries(argv).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** Aborts at the first SIGINT or SIGTERM, so that the command ends tidily; the second one kills. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One line, whatever an archive, a registry or Nix put into it. */
function tell(text: string): void {
  process.stderr.write(`nix2container: ${cleanText(text)}\n`);
}

guardOutput('nix2container');
try {
  requireNode(process.versions.node);
  await program.parseAsync();
} catch (error) {
  const isUsage = error instanceof UsageError;
  const command = process.argv.slice(2, 3).filter((word) => !word.startsWith('-'));
  const hint = isUsage ? `; see "${['nix2container', ...command].join(' ')} --help"` : '';
  tell(messageOf(error) + hint);
  process.exitCode = isUsage ? EXIT_USAGE : EXIT_FAILURE;
}
