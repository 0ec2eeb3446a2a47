import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { build } from 'esbuild';
import { ADDONS } from './platforms.ts';
import { thirdPartyNotices } from './third-party.ts';
import packageJson from '../../package.json' with { type: 'json' };

/**
 * Bundles programs into `<outdir>/<name>.mjs` and `<outdir>/chunks`, with LevelDB's addons and the licences of all that was
 * bundled: the directory needs nothing but Node beside it. What a program imports late stays out of its memory until then.
 *
 * @param entries the source files of the programs by name.
 */
export async function bundle(entries: Readonly<Record<string, string>>, outdir: string): Promise<void> {
  const { outputFiles, metafile } = await build({
    entryPoints: Object.entries(entries).map(([name, file]) => ({ in: file, out: name })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minifySyntax: true,
    metafile: true,
    define: {
      "process.env['NIX_SNAPSHOTTER_VERSION']": JSON.stringify(packageJson.version),
      // classic-level looks for its addon in "prebuilds" beside itself: beside the chunk that it is in.
      __dirname: 'import.meta.dirname',
    },
    banner: {
      js: [
        "import { createRequire as __createRequire } from 'node:module';",
        'const require = __createRequire(import.meta.url);',
      ].join('\n'),
    },
    logLevel: 'warning',
    write: false,
  });

  // Programs may run meanwhile, of this build too: each file appears whole, and a chunk that is there is what its name says.
  await mkdir(`${outdir}/chunks`, { recursive: true });
  const chunks = new Set<string>();
  for (const { path, contents } of outputFiles) {
    const isChunk = dirname(path).endsWith('/chunks');
    if (isChunk) chunks.add(basename(path));
    if (isChunk && existsSync(path)) continue;
    await appear(path, async (draft) => await writeFile(draft, contents, { mode: isChunk ? 0o644 : 0o755 }));
  }
  for (const addon of ADDONS) {
    await mkdir(`${outdir}/chunks/${dirname(addon)}`, { recursive: true });
    await appear(`${outdir}/chunks/${addon}`, async (draft) => {
      await copyFile(`node_modules/classic-level/${addon}`, draft);
    });
  }
  const notices = await thirdPartyNotices(Object.keys(metafile.inputs));
  await appear(`${outdir}/THIRD-PARTY.txt`, async (draft) => await writeFile(draft, notices));
  const stale = (await readdir(`${outdir}/chunks`)).filter(
    (name) => name.endsWith('.mjs') && !chunks.has(name),
  );
  for (const name of stale) await rm(`${outdir}/chunks/${name}`, { force: true });
}

async function appear(path: string, write: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await write(draft);
  await rename(draft, path);
}
