import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { build } from 'esbuild';
import packageJson from './package.json' with { type: 'json' };

const PROGRAMS = ['nix-snapshotter', 'nix2container'];

/**
 * Bundles the programs into `dist/<name>.mjs` and `dist/chunks`. What a program imports late stays out of its memory until
 * then. classic-level stays outside the bundle (native prebuilds are found relative to its package), so `dist` runs beside
 * `node_modules`.
 */
const { outputFiles } = await build({
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
  write: false,
});

// Programs may run meanwhile, of this build too: each file appears whole, and a chunk that is there is what its name says.
await mkdir('dist/chunks', { recursive: true });
const chunks = new Set<string>();
for (const { path, contents } of outputFiles) {
  const isChunk = dirname(path).endsWith('/chunks');
  if (isChunk) chunks.add(basename(path));
  if (isChunk && existsSync(path)) continue;
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, contents, { mode: isChunk ? 0o644 : 0o755 });
  await rename(draft, path);
}
const stale = (await readdir('dist/chunks')).filter((name) => name.endsWith('.mjs') && !chunks.has(name));
for (const name of stale) await rm(`dist/chunks/${name}`, { force: true });
