import { bundle } from './modules/release/bundle.ts';

/** Bundles the programs into `dist`, or the directory that is named. */
const [outdir = 'dist'] = process.argv.slice(2);
await bundle({ 'nix-snapshotter': 'cmd/nix-snapshotter.ts', nix2container: 'cmd/nix2container.ts' }, outdir);
