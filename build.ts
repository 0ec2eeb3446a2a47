import { rm } from 'node:fs/promises';
import { build } from 'esbuild';
import packageJson from './package.json' with { type: 'json' };

const PROGRAMS = ['nix-snapshotter', 'nix2container'];

/**
 * Bundles the programs into `dist/<name>.mjs` and `dist/chunks`. What a program imports late stays out of its memory until
 * then. classic-level stays outside the bundle (native prebuilds are found relative to its package), so `dist` runs beside
 * `node_modules`.
 */
await rm('dist', { recursive: true, force: true });
await build({
  entryPoints: PROGRAMS.map((name) => ({ in: `cmd/${name}.ts`, out: name })),
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minifySyntax: true,
  external: ['classic-level'],
  define: { "process.env['NIX_SNAPSHOTTER_VERSION']": JSON.stringify(packageJson.version) },
  banner: {
    js: [
      '#!/usr/bin/env node',
      "import { createRequire as __createRequire } from 'node:module';",
      'const require = __createRequire(import.meta.url);',
    ].join('\n'),
  },
  logLevel: 'warning',
});
