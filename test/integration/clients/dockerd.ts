import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { enginesBase } from '../../sandbox/engines.ts';
import { Dockerd, type ImageStore } from '../support/dockerd.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure } from '../support/greeter.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { RESOLVER, RESOLVER_CONFIG } from '../support/resolver-hosts.ts';
import { Rig } from '../support/rig.ts';

const ABSENT = `${'0'.repeat(32)}-absent`;

/** Each way to keep images, and the repositories that it can run. */
const STORES: readonly {
  readonly title: string;
  readonly store: ImageStore;
  readonly repositories: readonly string[];
}[] = [
  { title: 'its own image store', store: 'docker', repositories: ['layers/'] },
  {
    title: "containerd's image store and overlayfs",
    store: { snapshotter: 'overlayfs' },
    repositories: ['layers/'],
  },
  {
    title: "containerd's image store and our snapshotter",
    store: { snapshotter: 'nix' },
    repositories: ['', 'layers/'],
  },
];

/** dockerd with each image store. */
export function dockerdSuite(row: AvailableRow): void {
  describe(`dockerd, with containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let dockerd: Dockerd;
    let made: GreeterClosure;
    let greeter = '';
    /** Manifests by repository: the same from every store. */
    const digests = new Map<string, string | undefined>();

    before(async () => {
      rig = await Rig.up({ row, base: await enginesBase(), config: RESOLVER_CONFIG });
      made = await greeterClosure(rig);
      greeter = made.greeter.slice('/nix/store/'.length);
      await forget(rig, made);
      dockerd = new Dockerd(rig);
    });
    after(async () => await rig.down());

    for (const { title, store, repositories } of STORES) {
      describe(`and ${title}`, () => {
        before(async () => await dockerd.start(store));
        afterEach(async () => await dockerd.prune());
        after(async () => await dockerd.stop());

        for (const repository of repositories) {
          const images = `${RESOLVER}/${repository}`;

          it(`runs a path, as ${repository}<hash>-<name>`, async () => {
            const image = `${images}${greeter}`;
            assert.equal(await dockerd.runImage(image), GREETING);
            assert.equal(await dockerd.runImage(image, ['you']), 'Hello from the Nix store, you!');
            const digest = await dockerd.digestOf(image);
            assert.match(digest ?? '', /^sha256:/);
            assert.equal(digest, digests.get(repository) ?? digest);
            digests.set(repository, digest);
            for (const other of [
              `${images}nix/store/${greeter}`,
              `${images}${greeter.slice(0, 32)}:${greeter.slice(33)}`,
              `${image}@${digest}`,
            ])
              assert.equal(await dockerd.runImage(other), GREETING, other);
          });

          it(`exec, cp, diff, commit and build work with ${repository}<hash>-<name>`, async () => {
            const image = `${images}${made.busybox.slice('/nix/store/'.length)}`;
            const busybox = `${made.busybox}/bin/busybox`;
            const run = ['run', '--detach', '--network', 'none', '--name', 'box', '--entrypoint', busybox];
            await dockerd.docker([...run, image, 'sleep', '1000']);
            const inBox = async (args: readonly string[]) =>
              (await dockerd.docker(['exec', 'box', busybox, ...args])).stdout;
            assert.equal(await inBox(['ls', '/nix/store']), made.busybox.slice('/nix/store/'.length));
            await dockerd.docker(['cp', '/etc/hostname', 'box:/copied']);
            const { stdout: hostname } = await rig.node.exec(['cat', '/etc/hostname']);
            assert.equal(await inBox(['cat', '/copied']), hostname);
            await dockerd.docker(['cp', `box:${busybox}`, '/tmp/busybox']);
            await rig.node.exec(['cmp', '/tmp/busybox', busybox]);
            assert.match((await dockerd.docker(['diff', 'box'])).stdout, /^A \/copied$/m);
            await dockerd.docker(['commit', 'box', 'localhost/committed']);
            await dockerd.docker(['rm', '--force', 'box']);
            const cat = await dockerd.runImage(
              'localhost/committed',
              ['cat', '/copied'],
              ['--entrypoint', busybox],
            );
            assert.equal(cat, hostname);
            await rig.node.writeFile(
              '/tmp/build/Dockerfile',
              `FROM ${image}\nRUN ["${busybox}", "touch", "/built"]\n`,
            );
            await rig.node.exec(
              ['docker', 'build', '--network', 'none', '--tag', 'localhost/built', '/tmp/build'],
              {
                env: { DOCKER_BUILDKIT: '0' },
              },
            );
            await dockerd.runImage('localhost/built', ['test', '-f', '/built'], ['--entrypoint', busybox]);
          });

          it(`says why ${repository}<hash>-<name> cannot be had`, async () => {
            const refused = async (image: string) => {
              const { exitCode, stderr } = await dockerd.docker(['pull', image], false);
              assert.notEqual(exitCode, 0);
              return stderr;
            };
            const absent = await refused(`${images}${ABSENT}`);
            for (const part of [ABSENT, 'HTTP 404', 'push the path'])
              assert.ok(absent.includes(part), absent);
            assert.match(
              await refused(`${images}${greeter}@sha256:${'0'.repeat(64)}`),
              /is not part of this image/,
            );
            await dockerd.docker(['logout', RESOLVER]);
            assert.match(await refused(`${images}${greeter}:other`), /no basic auth credentials/);
            await dockerd.login();
          });
        }
      });
    }
  });
}
