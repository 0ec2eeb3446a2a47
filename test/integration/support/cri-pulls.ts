import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageOf } from '../../../src/errors.ts';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { images } from '../../../src/rpc/proto.ts';
import { PAUSE_IMAGE } from '../../sandbox/containerd-config.ts';
import { Cri, IMAGE_SERVICE_CONFIG } from './cri.ts';
import type { AvailableRow } from './matrix.ts';
import { importPause } from './pod.ts';
import { Rig } from './rig.ts';

/** So many store paths take turns: a name that comes again was removed just before. */
const PATHS = 10;
/** Clients that make and remove other images meanwhile. */
const LOOPS = 2;

export interface PullsOptions {
  readonly pulls: number;
  /** Keep CRI busy with other images meanwhile: it learns of ours late. */
  readonly busy: boolean;
}

/** Each pull of a store path is followed at once by a container of it: by the id, and by the name. */
export function describePulls(row: AvailableRow, { pulls, busy }: PullsOptions): void {
  describe(`${pulls} pulls by ${busy ? 'a busy ' : ''}CRI on containerd ${row.title}`, {
    skip: row.skip,
  }, () => {
    it('each is known to CRI when it is answered', async (t) => {
      await using rig = await Rig.up({ row, cri: true, config: IMAGE_SERVICE_CONFIG });
      using cri = await Cri.of(rig);
      await importPause(rig);
      const paths = await storePaths(rig);
      await using pod = await cri.pod();
      await using _ = busy ? await busyEvents(rig) : undefined;
      const failures: string[] = [];
      const times: number[] = [];
      for (let i = 0; i < pulls; i += 1) {
        const image = paths[i % paths.length] ?? '';
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

/** Makes events of other images, each of which CRI takes over. */
async function busyEvents({ node, containerd }: Rig): Promise<AsyncDisposable> {
  const client = createRpcClient({ address: node.hostPath(containerd.socket), namespace: 'k8s.io' });
  const service = client.service(images);
  const { image } = await service.Get({ name: PAUSE_IMAGE });
  const state = { stopped: false };
  const loops = Array.from({ length: LOOPS }, async (__, loop) => {
    for (let i = 0; !state.stopped; i += 1) {
      const name = `localhost/busy-${loop}-${i}:1`;
      await service.Create({ image: { name, target: image?.target ?? null } });
      await service.Delete({ name });
    }
  });
  return {
    async [Symbol.asyncDispose]() {
      state.stopped = true;
      await Promise.all(loops);
      client.close();
    },
  };
}

/** References of store paths that hold a file each. */
async function storePaths({ node }: Rig): Promise<readonly string[]> {
  const references: string[] = [];
  for (let i = 0; i < PATHS; i += 1) {
    await node.writeFile(`/tmp/paths/file-${i}`, `${i}\n`);
    const { stdout } = await node.exec(['nix-store', '--add', `/tmp/paths/file-${i}`]);
    references.push(`nix:0${stdout.trim()}:latest`);
  }
  return references;
}
