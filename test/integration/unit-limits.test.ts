import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { scoreOfChild } from '../../src/host/oom-score.ts';
import { configureNix } from '../fixtures/nix-config.ts';
import { buildPackages, deletePaths } from '../fixtures/packages.ts';
import { type UnitLimits, unitLimits } from '../sandbox/unit-limits.ts';
import { runContainer } from './support/container.ts';
import { GREETING } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { eventually, Rig } from './support/rig.ts';

async function oomScore(pid: number | string): Promise<number> {
  return Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8'));
}

for (const row of await matrix(['2.4'])) {
  describe('the daemon with what the unit leaves it', { skip: row.skip }, () => {
    let rig: Rig;
    let limits: UnitLimits;
    let greeter: string;
    before(async () => {
      limits = await unitLimits();
      rig = await Rig.up({
        row,
        config: RESOLVER_CONFIG,
        capabilities: ['remap-ids'],
        daemonWrapper: limits.wrapper,
        prepare: async (node) => void (await unitLimits(node)),
      });
      await useResolver(rig);
      ({ greeter } = await buildPackages(rig.node, ['greeter']));
      await rig.cache.add([greeter]);
      await configureNix(rig.node, { substituters: [rig.cache] });
      await deletePaths(rig.node, [greeter]);
    });
    after(async () => await rig.down());

    it('has no more than that', async () => {
      const status = await readFile(`/proc/${await rig.snapshotter.process.pid()}/status`, 'utf8');
      const bounding = /^CapBnd:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? '';
      const capabilities = await rig.node.exec(['capsh', `--decode=${bounding}`]);
      assert.match(status, /^NoNewPrivs:\s+1$/m);
      assert.match(status, /^Seccomp:\s+2$/m);
      assert.deepEqual(
        capabilities.stdout
          .split('=')[1]
          ?.split(',')
          .map((name) => name.slice(4))
          .toSorted(),
        limits.capabilities.toSorted(),
      );
    });

    it('realises, shows and removes store paths, with mapped ids too', async () => {
      const image = `nix.local${greeter.slice('/nix/store'.length)}:latest`;
      await rig.cache.setFaults([{ match: '/nar/', hold: true }]);
      const pulled = rig.containerd.ctr([
        'image',
        'pull',
        '--hosts-dir',
        HOSTS_DIR,
        '--snapshotter',
        'nix',
        image,
      ]);
      const daemon = await rig.snapshotter.process.pid();
      const own = await oomScore(daemon);
      await eventually(async () => {
        const children = await readFile(`/proc/${daemon}/task/${daemon}/children`, 'utf8');
        const pids = children.split(' ').filter((pid) => pid !== '');
        assert.ok(pids.length > 0, 'a process of Nix');
        const scores = await Promise.all(pids.map(oomScore));
        const expected = scores.map(() => scoreOfChild(own));
        assert.deepEqual(scores, expected, 'what eats all memory is ended before the daemon');
      });
      await rig.cache.setFaults([]);
      await pulled;
      assert.equal((await runContainer(rig, { image, id: 'one' })).stdout, GREETING);
      const flags = ['--uidmap', '0:100000:65536', '--gidmap', '0:100000:65536', '--remap-labels'];
      assert.equal((await runContainer(rig, { image, id: 'two', flags })).stdout, GREETING);
      const { stdout: views } = await rig.node.sh("grep -c '/views/' /proc/self/mountinfo || true");
      assert.ok(Number(views) > 0, 'by overlay views');
      await rig.containerd.ctr(['image', 'rm', '--sync', image]);
      await eventually(async () => {
        const { stdout } = await rig.containerd.ctr(['snapshot', '--snapshotter', 'nix', 'ls']);
        assert.equal(stdout.trim().split('\n').length, 1, stdout);
      });
      assert.doesNotMatch(await rig.snapshotter.logs(), /EPERM|EACCES|Operation not permitted/);
    });
  });
}
