import assert from 'node:assert/strict';
import { glob, readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../../sandbox/layout.ts';

/** `import … from '…'`, `export … from '…'` and `import('…')` of a file of ours; whether it is of types alone. */
const IMPORT =
  /(?:^(?<kind>import type|export type|import|export)\b[^;']*?from |import\()'(?<file>\.[^']+)'/gm;

/** The paragraph of docs/architecture.md as folders (or files of `src/` itself), the importers first. */
async function layers(): Promise<readonly (readonly string[])[]> {
  const page = await readFile(join(projectRoot, 'docs/architecture.md'), 'utf8');
  const paragraph = /^Imports go one way: (.+?)\. Doors/ms.exec(page)?.[1] ?? '';
  return paragraph.split('→').map((layer) => [...layer.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ''));
}

/** The name that a file goes by in {@link layers}. */
function layerName(file: string): string {
  const [top = '', folder = '', ...rest] = file.split('/');
  if (top === 'cmd') return top;
  if (rest.length > 0) return folder;
  if (folder.endsWith('-command.ts')) return 'src/*-command.ts';
  return folder === 'serve.ts' ? folder : 'errors.ts';
}

describe('imports', () => {
  it('go the way that docs/architecture.md says', async () => {
    const order = await layers();
    const levels = new Map(order.flatMap((names, level) => names.map((name) => [name, level])));
    const doors = order.find((names) => names.includes('snapshot')) ?? [];
    const wrong: string[] = [];
    for await (const file of glob('{cmd,src}/**/*.ts', { cwd: projectRoot })) {
      const own = layerName(file);
      for (const { groups } of (await readFile(join(projectRoot, file), 'utf8')).matchAll(IMPORT)) {
        const imported = normalize(join(dirname(file), groups?.['file'] ?? ''));
        if (!/^(cmd|src)\//.test(imported)) continue;
        const other = layerName(imported);
        const [from, to] = [levels.get(own), levels.get(other)];
        assert.ok(
          from !== undefined && to !== undefined,
          `docs/architecture.md does not place ${own} or ${other}`,
        );
        const isOfTypes = groups?.['kind']?.endsWith('type') === true;
        const areDoors = own !== other && doors.includes(own) && doors.includes(other);
        if (to < from || (areDoors && !isOfTypes)) wrong.push(`${file} imports ${imported}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('are told for each folder', async () => {
    const folders = await readdir(join(projectRoot, 'src'), { withFileTypes: true });
    const names = folders.filter((each) => each.isDirectory()).map(({ name }) => name);
    const told = (await layers()).flat();
    assert.deepEqual(
      names.filter((name) => !told.includes(name)),
      [],
    );
  });
});
