import { type BinaryCache, binaryCache } from '../../fixtures/binary-cache.ts';
import { deletePaths } from '../../fixtures/packages.ts';
import { NIX_CONF } from '../../sandbox/nix-conf.ts';
import { type Archive, closureArchive } from '../archives.ts';
import type { Closure } from '../closures.ts';
import type { Measurement } from '../measurement.ts';
import type { Part } from '../part.ts';
import { type Cell, inRounds } from '../rounds.ts';
import type { Subject, World } from '../world.ts';

/** Latencies of the HTTP cache, in milliseconds for each request. */
const LATENCIES = [0, 20] as const;
/** How many files Nix fetches at once (`http-connections`). */
const CONNECTIONS = 25;

export const FILE_CACHE = 'load and substitute from file://';

/** A way to the cache. */
interface Route {
  readonly metric: string;
  readonly url: string;
  readonly delay: number;
}

/** What is pulled. */
interface Goods {
  readonly closure: Closure;
  readonly archive: Archive;
}

export const pull: Part = {
  letter: 'b',
  title: 'Cold pull',
  about:
    'Load of an image none of whose store paths is in the store, from an xz binary cache. The floor is `nix copy` of the same closure from the same cache; `nix-store --realise` is what Nix itself needs to substitute it by its own settings, with nothing of an image; download is reading the same files over HTTP and throwing them away.',
  async run(world, { paths, rounds }) {
    const goods: Goods[] = [];
    for (const size of paths) {
      const closure = await world.coldClosure(`cold-${size}`, size);
      goods.push({ closure, archive: await closureArchive(world.node, closure, 'cold', 'closure') });
    }
    const infos = goods.map(({ closure }) => closure.info);
    const cache = await binaryCache(world.node, infos, { name: 'bench', compression: 'xz' });
    const subjects = [world.ours, ...(world.peer === undefined ? [] : [world.peer])];
    const routes: readonly Route[] = [
      { metric: FILE_CACHE, url: `file://${cache.dir}`, delay: 0 },
      ...LATENCIES.map((delay) => ({
        metric: `load and substitute over HTTP, ${delay} ms for each request`,
        url: cache.url,
        delay,
      })),
    ];
    const measurements: Measurement[] = [];
    for (const route of routes) {
      await cache.setFaults(route.delay === 0 ? [] : [{ match: '', delay: route.delay }]);
      await useCache(world, subjects, route.url);
      const cells: Cell[] = [];
      for (const one of goods) {
        const copy = `nix copy --no-check-sigs --from '${route.url}'`;
        for (const program of [
          { subject: 'nix copy', floor: true, command: copy },
          { subject: 'nix-store', floor: false, command: 'nix-store --realise' },
        ]) {
          cells.push(nixCell(world, subjects, route, one, program));
        }
        if (route.url === cache.url) cells.push(await downloadCell(world, cache, route, one));
        cells.push(...subjects.map((subject) => pullCell(world, subjects, subject, route, one)));
      }
      measurements.push(...(await inRounds(cells, { part: 'b', unit: 'ms', rounds })));
    }
    for (const subject of subjects) await world.unload(subject);
    await useCache(world, subjects, undefined);
    await cache.stop();
    return measurements;
  },
};

/** What one of Nix's own programs takes for the closure. */
function nixCell(
  world: World,
  subjects: readonly Subject[],
  { metric }: Route,
  { closure }: Goods,
  {
    subject,
    floor,
    command,
  }: { readonly subject: string; readonly floor: boolean; readonly command: string },
): Cell {
  return {
    subject,
    size: closure.size,
    floor,
    async measure() {
      await removeClosure(world, subjects, closure);
      const run = ['sh', '-c', `${command} ${closure.info} && echo done`];
      return { [metric]: (await world.client.exec([run])).milliseconds };
    },
  };
}

async function downloadCell(
  world: World,
  cache: BinaryCache,
  { metric, url }: Route,
  { closure }: Goods,
): Promise<Cell> {
  const urls: string[] = [];
  for (const path of [...closure.paths, closure.info]) {
    const narinfo = `${path.slice('/nix/store/'.length).split('-', 1)[0] ?? ''}.narinfo`;
    const nar = /^URL: (.+)$/m.exec(await world.node.readFile(`${cache.dir}/${narinfo}`))?.[1] ?? '';
    urls.push(`${url}/${narinfo}`, `${url}/${nar}`);
  }
  return {
    subject: 'download',
    size: closure.size,
    async measure() {
      return { [metric]: (await world.client.fetch({ urls, connections: CONNECTIONS })).milliseconds };
    },
  };
}

function pullCell(
  world: World,
  subjects: readonly Subject[],
  subject: Subject,
  { metric }: Route,
  { closure, archive }: Goods,
): Cell {
  return {
    subject: subject.name,
    size: closure.size,
    async measure() {
      await removeClosure(world, subjects, closure);
      return { [metric]: await world.load(subject, archive) };
    },
  };
}

/** Makes a cache, or none, the only substituter. The daemons start anew: they may have read the old configuration. */
async function useCache(
  { node }: World,
  subjects: readonly Subject[],
  url: string | undefined,
): Promise<void> {
  await node.writeFile('/etc/nix/nix.conf', `${NIX_CONF}substituters = ${url ?? ''}\nrequire-sigs = false\n`);
  for (const { server } of subjects) await server?.restart();
}

/** Takes a closure out of the store, and with it the images that need it. */
async function removeClosure(world: World, subjects: readonly Subject[], closure: Closure): Promise<void> {
  for (const subject of subjects) await world.unload(subject);
  const paths = [...closure.paths, closure.info];
  const { exitCode } = await world.node.exec(['nix-store', '--check-validity', ...paths], { reject: false });
  if (exitCode === 0) await deletePaths(world.node, paths);
}
