import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import dashboard from '../../examples/grafana/dashboard.json' with { type: 'json' };
import { createRpcClient } from '../../src/rpc/client.ts';
import { health } from '../../src/rpc/proto.ts';
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { deletePaths } from '../fixtures/packages.ts';
import { inside } from '../sandbox/layout.ts';
import type { SandboxProcess } from '../sandbox/process.ts';
import { installPrometheus } from '../sandbox/prometheus.ts';
import { matrix } from './support/matrix.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig, eventually } from './support/rig.ts';

const METRICS = '127.0.0.1:9474';
const PROMETHEUS = '127.0.0.1:9090';
const PROGRAM = ['node', `${inside.project}/dist/nix-snapshotter.mjs`];
const ABSENT = `/nix/store/${'0'.repeat(32)}-absent`;
/** Many steps of 64 KiB, in which Nix tells how far a copy is. */
const SIZE = 3 * 1024 * 1024;
const ARRIVED = 2 * 1024 * 1024;
const STEP = 64 * 1024;
const WHOLE = '';
const LIVE = 'nix_snapshotter.v1.Status';
const CONFIG = `${RESOLVER_CONFIG}[metrics]\naddress = "${METRICS}"\n`;

interface Status {
  readonly pid: number;
  readonly not_ready: string;
  readonly snapshots: { readonly active: number };
  readonly realises: readonly {
    readonly closure: string;
    readonly state: string;
    readonly paths_done: number;
    readonly paths_total: number;
    readonly bytes_done: number;
    readonly bytes_total: number;
    readonly bytes_per_second: number;
    readonly substituters: readonly string[];
    readonly waiters: number;
  }[];
}

for (const row of await matrix(['2.3'], ['prometheus'])) {
  describe(`what operators see, on containerd ${row.title}`, { skip: row.skip, concurrency: 1 }, () => {
    let rig: Rig;
    let large: string;

    before(async () => {
      rig = await Rig.up({ row, config: CONFIG });
      await useResolver(rig);
      await installPrometheus(rig.node);
      await rig.node.writeFile('/tmp/large', randomBytes(SIZE));
      large = (await rig.node.exec(['nix-store', '--add', '/tmp/large'])).stdout;
      await rig.cache.add([large]);
    });
    after(async () => await rig.down());

    /** Asks a server of the node. */
    const get = async (url: string, accept = '*/*') => {
      const script = `
        const answer = await fetch(${JSON.stringify(`http://${url}`)}, { headers: { accept: ${JSON.stringify(accept)} } });
        console.log(JSON.stringify({ status: answer.status, text: await answer.text() }));`;
      const { stdout } = await rig.node.exec(['node', '--input-type=module', '--eval', script]);
      return JSON.parse(stdout) as { status: number; text: string };
    };
    const scrape = async () => (await get(`${METRICS}/metrics`)).text.split('\n');
    /** The one value whose series begins so. */
    const value = (lines: readonly string[], series: string): number => {
      const found = lines.filter((line) => line.startsWith(`${series} `));
      assert.equal(
        found.length,
        1,
        `${series} in ${lines.filter((line) => !line.startsWith('#')).join('\n')}`,
      );
      return Number(found[0]?.split(' ').at(-1));
    };
    const status = async () =>
      JSON.parse((await rig.node.exec([...PROGRAM, 'status', '--json'])).stdout) as Status;
    const pull = async (path: string, reject = true) =>
      await rig.containerd.ctr(
        ['image', 'pull', '--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix', `nix:0${path}:latest`],
        { reject },
      );

    it('a realise in flight: how much of it has come, from where, and who waits; and its bytes to the last one', async () => {
      const narSize = Number((await rig.node.exec(['nix-store', '--query', '--size', large])).stdout);
      await deletePaths(rig.node, [large]);
      await rig.cache.setFaults([{ match: '/nar/', holdAfter: ARRIVED }]);
      const pulled = pull(large, false);
      const held = await eventually(async () => {
        const [realise] = (await status()).realises;
        assert.ok(realise !== undefined && realise.bytes_done > ARRIVED - 3 * STEP, JSON.stringify(realise));
        return realise;
      });
      assert.equal(held.closure, large);
      assert.equal(held.state, 'RUNNING');
      assert.deepEqual([held.paths_done, held.paths_total], [0, 1]);
      assert.ok(held.bytes_done <= ARRIVED, `${held.bytes_done} of ${ARRIVED}`);
      assert.equal(held.bytes_total, narSize);
      assert.deepEqual(held.substituters, [rig.cache.url]);
      assert.equal(held.waiters, 1);
      assert.ok(held.bytes_per_second > 0);
      const during = await scrape();
      assert.equal(value(during, 'nix_snapshotter_realises{state="running"}'), 1);
      assert.equal(value(during, 'nix_snapshotter_realise_waiters'), 1);
      // Nothing comes any more: that is no speed, whatever it was on average.
      await eventually(async () => assert.equal((await status()).realises[0]?.bytes_per_second, 0));
      await rig.cache.setFaults([]);
      assert.equal((await pulled).exitCode, 0, (await pulled).stderr);
      const lines = await scrape();
      const source = `{source="${new URL(rig.cache.url).host}"}`;
      assert.equal(value(lines, `nix_snapshotter_fetched_bytes_total${source}`), narSize);
      assert.equal(value(lines, `nix_snapshotter_fetched_paths_total${source}`), 1);
      assert.equal(value(lines, 'nix_snapshotter_realises{state="running"}'), 0);
    });

    it('metrics count what was done and hold what is there', async () => {
      const realises = 'nix_snapshotter_realise_duration_seconds_count';
      assert.equal(value(await scrape(), `${realises}{source="substituter",outcome="ok"}`), 1);
      assert.notEqual((await pull(ABSENT, false)).exitCode, 0);
      const run = async (args: readonly string[]) => await rig.containerd.ctr(args);
      await run(['image', 'import', '--snapshotter', 'nix', await busyboxArchive(rig.node)]);
      await run(['container', 'create', '--snapshotter', 'nix', BUSYBOX_IMAGE, 'ordinary']);
      await run(['container', 'create', '--snapshotter', 'nix', `nix:0${large}:latest`, 'nix', '/none']);
      const known = (await run(['snapshot', '--snapshotter', 'nix', 'ls'])).stdout
        .trim()
        .split('\n')
        .slice(1);
      const ofKind = (kind: string) => known.filter((line) => line.trimEnd().endsWith(kind)).length;
      const lines = await scrape();
      assert.equal(value(lines, 'nix_snapshotter_snapshots{kind="committed"}'), ofKind('Committed'));
      assert.equal(value(lines, 'nix_snapshotter_snapshots{kind="active"}'), 2);
      assert.equal(ofKind('Active'), 2);
      assert.equal(value(lines, 'nix_snapshotter_containers{image="nix"}'), 1);
      assert.equal(value(lines, 'nix_snapshotter_containers{image="ordinary"}'), 1);
      assert.equal(value(lines, 'nix_snapshotter_containers_shown{view="overlay"}'), 1);
      assert.equal(value(lines, 'nix_snapshotter_closures'), 1);
      assert.equal(value(lines, 'nix_snapshotter_ready'), 1);
      const links = async (directory: string) =>
        Number((await rig.node.sh(`ls ${rig.snapshotter.root}/${directory} | wc -l`)).stdout);
      assert.equal(value(lines, 'nix_snapshotter_gc_roots{kind="snapshot"}'), await links('gcroots'));
      assert.equal(value(lines, 'nix_snapshotter_gc_roots{kind="pulled"}'), await links('pulled'));
      const mounts = await rig.node.sh(`grep -c ' ${rig.snapshotter.root}/views/' /proc/1/mountinfo`);
      assert.equal(value(lines, 'nix_snapshotter_view_mounts'), Number(mounts.stdout));
      // Prepare of a layer whose closure was pulled roots it, and fetches nothing.
      assert.ok(value(lines, `${realises}{source="local",outcome="ok"}`) >= 1);
      assert.equal(value(lines, `${realises}{source="substituter",outcome="failed"}`), 1);
      assert.equal(value(lines, 'nix_snapshotter_realise_failures_total{cause="absent"}'), 1);
      const prepares = 'service="containerd.services.snapshots.v1.Snapshots",method="Prepare"';
      assert.ok(value(lines, `nix_snapshotter_rpc_duration_seconds_count{${prepares},code="OK"}`) >= 2);
      const pid = await rig.snapshotter.process.pid();
      const rss = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
      const told = value(lines, 'process_resident_memory_bytes');
      assert.ok(Math.abs(told - Number(rss) * 1024) < 30e6, `${told} bytes, ${rss} kB`);
      await eventually(async () => {
        assert.equal(value(await scrape(), 'nix_snapshotter_closure_paths_count'), 1);
      });
      await rig.node.exec(['promtool', 'check', 'metrics'], { input: lines.join('\n') });
    });

    it('a Prometheus takes the metrics, and the dashboard and the alerts have what they show', async () => {
      const examples = `${inside.project}/examples/prometheus`;
      await rig.node.exec(['promtool', 'test', 'rules', `${examples}/alerts.test.yaml`]);
      await rig.node.exec(['promtool', 'check', 'config', `${examples}/scrape.yaml`]);
      const global = 'global: { scrape_interval: 1s, evaluation_interval: 1s }\n';
      const config = await rig.node.readFile(`${examples}/scrape.yaml`);
      await rig.node.writeFile('/etc/prometheus/prometheus.yml', `${global}${config}`);
      await rig.node.exec(['cp', `${examples}/alerts.yaml`, '/etc/prometheus/alerts.yaml']);
      const flags = ['--config.file=/etc/prometheus/prometheus.yml', '--storage.tsdb.path=/tmp/tsdb'];
      const prometheus = rig.node.spawn('prometheus', [
        'prometheus',
        ...flags,
        `--web.listen-address=${PROMETHEUS}`,
      ]);
      try {
        /** What Prometheus answers to expressions: how many series each has, or what is wrong with it. */
        const ask = async (expressions: readonly string[]): Promise<readonly (number | string)[]> => {
          const script = `
            const asked = ${JSON.stringify(expressions)};
            const answers = asked.map(async (query) => {
              const answer = await fetch('http://${PROMETHEUS}/api/v1/query?' + new URLSearchParams({ query }));
              const { data, error } = await answer.json();
              return error ?? data.result.length;
            });
            console.log(JSON.stringify(await Promise.all(answers)));`;
          const { stdout } = await rig.node.exec(['node', '--input-type=module', '--eval', script]);
          return JSON.parse(stdout) as (number | string)[];
        };
        const scraped = 'count_over_time(up{job="nix-snapshotter"}[1m]) >= 3 and up == 1';
        await eventually(async () => assert.deepEqual(await ask([scraped]), [1]), 60_000);
        const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
        const concrete = expressions.map((expression) =>
          expression.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
        );
        const answers = await ask(concrete);
        const empty = concrete.filter((_, at) => typeof answers[at] === 'string' || answers[at] === 0);
        // Nothing collected garbage.
        assert.deepEqual(
          empty.filter((expression) => !expression.includes('collections_seen')),
          [],
          JSON.stringify(answers),
        );
        assert.deepEqual(await ask(['ALERTS{alertstate="firing"}']), [0]);
      } finally {
        await prometheus.stop();
      }
    });

    it('readiness follows the Nix daemon: silent, gone, and back; what needs no Nix serves on', async () => {
      await nixDaemon();
      await rig.configure(`${CONFIG}[nix]\nstore = "daemon"\n`);
      using client = createRpcClient({ address: rig.node.hostPath(rig.snapshotter.socket) });
      const service = client.service(health);
      const told: unknown[] = [];
      const watching = (async () => {
        for await (const { status: now } of service.Watch({ service: WHOLE })) told.push(now);
      })();
      let seen = 0;
      const next = async () =>
        await eventually(async () => {
          assert.ok(told.length > seen, `told: ${told.join(', ')}`);
          return told[seen++];
        });
      assert.equal(await next(), 'SERVING');
      assert.equal((await get(`${METRICS}/healthz`)).status, 200);

      await signalNixDaemon('STOP');
      assert.equal(await next(), 'NOT_SERVING');
      assert.equal((await service.Check({ service: WHOLE })).status, 'NOT_SERVING');
      assert.equal((await service.Check({ service: LIVE })).status, 'SERVING');
      const probe = await get(`${METRICS}/healthz`);
      assert.equal(probe.status, 503);
      assert.match(probe.text, /^Nix has not answered for 3000 ms: see whether nix-daemon runs\n$/);
      assert.equal((await get(`${METRICS}/livez`)).status, 200);
      assert.equal(value(await scrape(), 'nix_snapshotter_ready'), 0);
      assert.match((await status()).not_ready, /^Nix has not answered/);
      await signalNixDaemon('CONT');
      assert.equal(await next(), 'SERVING');

      await signalNixDaemon('KILL');
      assert.equal(await next(), 'NOT_SERVING');
      assert.match((await status()).not_ready, /daemon/);
      // Ordinary images need no Nix, and a start does not wait for it.
      await rig.restartSnapshotter();
      const { stdout } = await rig.node.exec([...PROGRAM, 'status']);
      assert.match(stdout, /^ready {6}no: /m);
      await watching;
      await nixDaemon();
      await eventually(async () => assert.equal((await get(`${METRICS}/healthz`)).status, 200));
    });

    it('status --watch tells what changes, says that the daemon goes, shows it again, and ends at Ctrl-C', async () => {
      const watch = rig.node.spawn('watch', [...PROGRAM, 'status', '--watch', '--interval', '0.2']);
      const json = rig.node.spawn('watch-json', [...PROGRAM, 'status', '--watch', '--json']);
      const terminal = rig.node.spawn('watch-terminal', [
        'script',
        '--quiet',
        '--flush',
        '--command',
        `${PROGRAM.join(' ')} status --watch`,
        '/tmp/typescript',
      ]);
      const saw = async (program: SandboxProcess, text: RegExp) =>
        await eventually(async () => assert.match(await program.logs(), text));
      const { active } = (await status()).snapshots;
      await saw(watch, new RegExp(`^\\S+Z snapshots {2}\\d+ committed, ${active} active`, 'm'));
      await saw(json, /"version":"/);
      await rig.containerd.ctr(['snapshot', '--snapshotter', 'nix', 'prepare', 'watched']);
      await saw(watch, new RegExp(`^\\S+Z snapshots {2}\\d+ committed, ${active + 1} active`, 'm'));
      const first = (await status()).pid;
      await rig.snapshotter.stop();
      await saw(watch, /; waiting for the daemon$/m);
      await saw(json, /^\{"error":/m);
      await rig.snapshotter.start();
      await saw(watch, /^\S+Z the daemon answers$/m);
      await saw(watch, new RegExp(`^\\S+Z nix-snapshotter \\S+, pid (?!${first},)\\d+, on`, 'm'));
      // oxlint-disable-next-line no-control-regex -- the terminal's own sequences are what is looked for
      await saw(terminal, /\u001b\[H.*\(end with Ctrl-C\)/);
      for (const program of [watch, json]) {
        await program.signal('SIGINT');
        assert.deepEqual(await program.ended, { code: 0, signal: null });
      }
      await terminal.stop();
      const looks = (await json.logs()).trim().split('\n');
      for (const look of looks) assert.equal(typeof JSON.parse(look), 'object');
    });

    /** Runs the Nix daemon of the node. */
    const nixDaemon = async (): Promise<void> => {
      rig.node.spawn('nix-daemon', ['sh', '-c', 'nix-daemon & echo $! > /tmp/nix-daemon.pid; wait']);
      await eventually(async () => await rig.node.exec(['nix', 'store', 'ping', '--store', 'daemon']));
    };
    /** Connections that are kept are processes of their own, which would go on answering. */
    const signalNixDaemon = async (signal: 'STOP' | 'CONT' | 'KILL'): Promise<void> => {
      const kill = `daemon=$(cat /tmp/nix-daemon.pid); kill -${signal} $daemon`;
      await rig.node.sh(
        `connections=$(cat /proc/$(cat /tmp/nix-daemon.pid)/task/*/children); ${kill}; kill -KILL $connections || true`,
      );
    };
  });
}
