import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageOf } from '../../../src/errors.ts';
import { Cri, IMAGE_SERVICE_CONFIG } from './cri.ts';
import type { AvailableRow } from './matrix.ts';
import { importPause } from './pod.ts';
import { Rig } from './rig.ts';

/** So many store paths take turns: a name that comes again was removed just before. */
const PATHS = 10;

/** Each pull of a store path is followed at once by a container of it: by the id, and by the name. */
export function describePulls(row: AvailableRow, pulls: number): void {
  describe(`${pulls} pulls by CRI on containerd ${row.title}`, { skip: row.skip }, () => {
    it('each is known to CRI when it is answered', async (t) => {
      await using rig = await Rig.up({ row, cri: true, config: IMAGE_SERVICE_CONFIG });
      using cri = await Cri.of(rig);
      await importPause(rig);
      const images = await storePaths(rig);
      await using pod = await cri.pod();
      const failures: string[] = [];
      const times: number[] = [];
      for (let i = 0; i < pulls; i += 1) {
        const image = images[i % images.length] ?? '';
        try {
          const start = performance.now();
          const id = await cri.pull(image);
          times.push(performance.now() - start);
          await pod.create(i % 2 === 0 ? id : image);
          await cri.remove(image);
        } catch (error) {
          failures.push(`pull ${i}: ${messageOf(error)}`);
        }
      }
      const sorted = times.toSorted((a, b) => a - b);
      const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0);
      t.diagnostic(
        `containerd ${rig.containerd.version}: ${pulls} pulls, ${failures.length} failures; a pull takes ${at(0.5)} ms (median), ${at(1)} ms at most`,
      );
      assert.deepEqual(failures, []);
    });
  });
}

/** References of store paths that hold a file each. */
async function storePaths({ node }: Rig): Promise<readonly string[]> {
  const images: string[] = [];
  for (let i = 0; i < PATHS; i += 1) {
    await node.writeFile(`/tmp/paths/file-${i}`, `${i}\n`);
    const { stdout } = await node.exec(['nix-store', '--add', `/tmp/paths/file-${i}`]);
    images.push(`nix:0${stdout.trim()}:latest`);
  }
  return images;
}
