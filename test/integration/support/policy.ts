import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ExecResult } from '../../sandbox/sandbox.ts';
import { runContainer } from './container.ts';
import { IMAGE_SERVICE_CONFIG } from './cri.ts';
import { type Footprint, footprint } from './footprint.ts';
import { forget, type GreeterClosure, GREETING, greeterClosure, ownImage } from './greeter.ts';
import type { AvailableRow } from './matrix.ts';
import { startRegistry } from './registry.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './resolver-hosts.ts';
import { eventually, Rig } from './rig.ts';

const METRICS = '127.0.0.1:9474';
const CONFIG = `${RESOLVER_CONFIG}${IMAGE_SERVICE_CONFIG}[gc]\ngrace = "1s"\n[metrics]\naddress = "${METRICS}"\n`;
const NAMESPACES = ['default', 'k8s.io'];
const PULLED = '127.0.0.1:5000/greeter:1';

/** How clients bring in what a policy is about. */
const DOORS = [
  'ctr by the resolver',
  'nerdctl by the resolver',
  'crictl by the resolver',
  'crictl by the image service',
  'crictl by the image service, an image of a registry',
  'nerdctl by Prepare, an image of a registry',
] as const;
type Door = (typeof DOORS)[number];
/** One client a door. */
export const ONE_EACH: readonly Door[] = [
  'ctr by the resolver',
  'crictl by the image service',
  'nerdctl by Prepare, an image of a registry',
];

/**
 * What a policy refuses and lets in, at each door, on one containerd.
 *
 * @param further those that all limits are tried by; all unless told.
 */
export function describePolicy(row: AvailableRow, further: readonly Door[] = DOORS): void {
  describe(`policy on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, cri: true, config: CONFIG });
      await useResolver(rig);
      await startRegistry(rig.node);
      made = await greeterClosure(rig);
      await rig.nix2container(['push', '--plain-http', await ownImage(rig, made, PULLED), PULLED]);
      await forget(rig, made);
      bare = await footprint(rig);
    });
    afterEach(async () => {
      for (const namespace of NAMESPACES) {
        const ctr = async (args: readonly string[]) => await rig.containerd.ctr(['-n', namespace, ...args]);
        const names = (await ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
        if (names.length > 0) await ctr(['image', 'rm', '--sync', ...names]);
      }
      await nothingIsLeft();
    });
    after(async () => await rig.down());

    const policy = async (text: string) => await rig.configure(`${CONFIG}${text}`);
    const nothingIsLeft = async () => {
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      await eventually(async () => await forget(rig, made));
    };
    const flags = ['--snapshotter', 'nix'];
    const run = { reject: false } as const;
    /** How clients bring in the closure, by each door; the store has nothing of it before. */
    const doors: Readonly<Record<Door, () => Promise<ExecResult>>> = {
      'ctr by the resolver': async () =>
        await rig.containerd.ctr(['image', 'pull', ...flags, '--hosts-dir', HOSTS_DIR, own()], run),
      'nerdctl by the resolver': async () =>
        await rig.containerd.nerdctl(['--hosts-dir', HOSTS_DIR, ...flags, 'pull', own()], run),
      'crictl by the resolver': async () => await rig.containerd.crictl(['pull', own()], run),
      'crictl by the image service': async () => await crictl('pull', own()),
      'crictl by the image service, an image of a registry': async () => await crictl('pull', PULLED),
      'nerdctl by Prepare, an image of a registry': async () => await pullByPrepare(),
    };
    const own = () => `nix:0${made.greeter}:latest`;
    const crictl = async (...args: readonly string[]) =>
      await rig.containerd.crictl(['--image-endpoint', `unix://${rig.snapshotter.socket}`, ...args], run);
    // ctr of 1.7 drops the annotations.
    const pullByPrepare = async () =>
      await rig.containerd.nerdctl(['--insecure-registry', ...flags, 'pull', PULLED], run);
    const assertSays = ({ exitCode, stderr }: ExecResult, door: string, parts: readonly string[]) => {
      assert.notEqual(exitCode, 0, door);
      for (const part of parts)
        assert.ok(stderr.includes(part), `${door} says nothing of ${part}: ${stderr}`);
    };
    /** Each door says this of a pull, and nothing was fetched for it or is left of it. */
    const assertEachRefuses = async (asked: readonly Door[], ...parts: readonly string[]) => {
      const earlier = (await rig.downloads()).length;
      for (const door of asked) assertSays(await doors[door](), door, parts);
      assert.equal((await rig.downloads()).length, earlier);
      for (const path of made.closure) {
        const { exitCode } = await rig.node.exec(['nix-store', '--check-validity', path], run);
        assert.notEqual(exitCode, 0, `${path} was fetched`);
      }
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    };

    const scrape = async () => {
      const script = `console.log(await (await fetch('http://${METRICS}/metrics')).text())`;
      const { stdout } = await rig.node.exec(['node', '--input-type=module', '--eval', script]);
      return stdout.split('\n');
    };

    it('a path of the closure that a rule denies', async () => {
      const name = made.busybox.slice('/nix/store/'.length);
      await policy(`[[policy.rules]]\nname = "no-busybox"\naction = "deny"\npath = "${name}"\n`);
      await assertEachRefuses(DOORS, 'policy: rule no-busybox denies', made.busybox, 'change the rule');
      assert.ok((await rig.snapshotter.logs()).includes('refused by policy'));
      const counted = 'nix_snapshotter_policy_refusals_total{';
      const some = (await scrape()).filter((line) => line.startsWith(counted) && !line.endsWith(' 0'));
      assert.deepEqual(
        some.map((line) => line.slice(counted.length).replace(/ \d+$/, '')),
        ['resolver', 'image-service', 'snapshots'].map((door) => `door="${door}",by="rule"}`),
      );
    });

    it('a closure larger than a rule lets in', async () => {
      await policy('[[policy.rules]]\nname = "small"\naction = "deny"\nlarger_than = "1KiB"\n');
      await assertEachRefuses(further, 'policy: rule small denies', 'more than 1 KiB');
    });

    it('an image, all images, and a disk of more bytes than the limits', async () => {
      await policy('[policy]\nmax_image_bytes = "1KiB"\n');
      await assertEachRefuses(further, 'policy: max_image_bytes refuses', 'at most 1 KiB');
      await policy('[policy]\nmax_node_bytes = "1KiB"\n');
      await assertEachRefuses(further, 'policy: max_node_bytes refuses', 'at most 1 KiB');
      await policy('[policy]\nmin_free_bytes = "900TiB"\n');
      await assertEachRefuses(further, 'policy: min_free_bytes refuses', 'at least 900 TiB must');
    });

    it('images that no rule allows; the one that is allowed runs, by each door that knows it', async () => {
      const images = [`nix:0${made.greeter}`, '127.0.0.1:5000/greeter'];
      const rule = `[[policy.rules]]\nname = "ours"\naction = "allow"\nimage = ${JSON.stringify(images)}\n`;
      await policy(`[policy]\ndefault = "deny"\n${rule}`);
      assertSays(await pullByPrepare(), 'Prepare', ['policy: no rule allows', 'policy.unknown_image']);
      const other = `nix.local${made.busybox}:latest`;
      assertSays(await crictl('pull', other), 'crictl', [`no rule allows image nix:0${made.busybox}`]);
      assert.equal((await doors['ctr by the resolver']()).exitCode, 0);
      assert.equal((await runContainer(rig, { image: own(), id: 'ours' })).stdout, GREETING);
      const { exitCode, stderr } = await crictl('pull', PULLED);
      assert.equal(exitCode, 0, stderr);
      await policy(`[policy]\nunknown_image = "skip"\n${rule}`);
      assert.equal((await pullByPrepare()).exitCode, 0);
      assert.equal((await runContainer(rig, { image: PULLED, id: 'pulled' })).stdout, GREETING);
    });

    it('an image that Prepare knows by the label of CRI, where that is to be believed', async () => {
      const label = '[policy]\nunknown_image = "label"\n';
      await policy(`${label}[[policy.rules]]\nname = "local"\naction = "deny"\nimage = "127.0.0.1:5000/*"\n`);
      const pull = async () => await rig.containerd.crictl(['pull', PULLED], run);
      assertSays(await pull(), 'crictl', [`policy: rule local denies image ${PULLED}; pull another`]);
      await policy(`${label}[[policy.rules]]\nname = "other"\naction = "deny"\nimage = "evil.corp/*"\n`);
      const { exitCode, stderr } = await pull();
      assert.equal(exitCode, 0, stderr);
    });

    it('what is there goes on starting when it is denied later, also when its paths have vanished', async () => {
      await policy('');
      assert.equal((await pullByPrepare()).exitCode, 0);
      await policy('[policy]\ndefault = "deny"\n');
      assert.equal((await runContainer(rig, { image: PULLED, id: 'there' })).stdout, GREETING);
      await rig.node.sh(`rm -f ${rig.snapshotter.root}/gcroots/*`);
      await forget(rig, made);
      assert.equal((await runContainer(rig, { image: PULLED, id: 'back' })).stdout, GREETING);
      assertSays(await crictl('pull', PULLED), 'crictl', [
        'policy: no rule allows image 127.0.0.1:5000/greeter:1',
      ]);
    });

    it('a layer without annotations is judged by its first container', async () => {
      await policy('');
      await rig.node.exec(['nix-store', '--realise', made.closureInfo]);
      const archive = await ownImage(rig, made, 'localhost/own:1', ['--format', 'docker-archive']);
      await eventually(async () => await forget(rig, made));
      await policy('[policy]\ndefault = "deny"\n');
      await rig.containerd.ctr(['image', 'import', ...flags, archive]);
      const image = 'localhost/own:1';
      assertSays(await runContainer(rig, { image, id: 'denied', reject: false }), 'ctr run', [
        'policy: no rule allows',
        made.closureInfo,
      ]);
      // The daemon's restart does not let it in.
      await rig.restartSnapshotter();
      const again = await runContainer(rig, { image, id: 'denied', reject: false });
      assertSays(again, 'ctr run', ['policy: no rule allows']);
      await policy('');
      assert.equal((await runContainer(rig, { image, id: 'allowed' })).stdout, GREETING);
    });
  });
}
