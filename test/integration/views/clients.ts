import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ViewRow } from '../support/matrix.ts';
import { limited } from '../support/view-limits.ts';
import { IMAGES, SEED } from './images.ts';
import { unmountLeft } from './left-mounts.ts';
import type { Subject } from './subject.ts';

/** What clients that mount a container's root file system by themselves make of it: nerdctl. */
export function clients(row: ViewRow, subject: () => Subject): void {
  it('nerdctl: a volume of the image starts with the files that the image has there', async () => {
    const { stdout } = await subject().nerdctl([
      ...RUN,
      '--rm',
      IMAGES.volume,
      'sh',
      '-c',
      'cat /data/seed; grep -c " /data " /proc/mounts; echo x > /data/x',
    ]);
    assert.equal(stdout, `${SEED}1`);
  });

  it('nerdctl: cp with a running container', async () => {
    await using container = await detached(subject());
    await copies(subject(), container.id);
  });

  const copyFails = async () => {
    await using container = await detached(subject());
    await subject().nerdctl(['stop', '--time', '0', container.id]);
    const source = `${container.id}:${subject().packages.greeter}/share/greeter/message`;
    const { exitCode, stderr } = await subject().nerdctl(['cp', source, '/tmp/message'], { reject: false });
    assert.equal(exitCode, 1);
    assert.match(stderr, /failed to unmount target \/tmp\/nerdctl-cp-\d+: device or resource busy/);
    await unmountLeft(subject().rig, /^\/tmp\/nerdctl-cp-\d+$/);
  };
  limited(row, 'nerdctl: cp with a stopped container', {
    async holds() {
      await using container = await detached(subject());
      await subject().nerdctl(['stop', '--time', '0', container.id]);
      await copies(subject(), container.id);
    },
    binds: copyFails,
    store: copyFails,
  });

  const exportDestroys = async () => {
    await using container = await detached(subject());
    const { stderr } = await subject().nerdctl(['export', '--output', '/tmp/export.tar', container.id]);
    assert.match(stderr, /failed to unmount target \/tmp\/nerdctl-export-\d+: device or resource busy/);
    const { rig, packages } = subject();
    // nerdctl removes what is below the directory that it could not unmount.
    const own = (await subject().nerdctl(['diff', container.id])).stdout.split('\n');
    for (const line of ['D /data', 'D /etc']) assert.ok(own.includes(line), own.join('; '));
    await rig.node.exec(['nix-store', '--verify-path', ...Object.values(packages)]);
    await unmountLeft(subject().rig, /^\/tmp\/nerdctl-export-\d+$/);
  };
  limited(row, 'nerdctl: export of a container, which is as it was afterwards', {
    async holds() {
      await using container = await detached(subject());
      const { packages, rig } = subject();
      await subject().nerdctl(['export', '--output', '/tmp/export.tar', container.id]);
      const { stdout } = await rig.node.exec([
        'tar',
        '-xOf',
        '/tmp/export.tar',
        packages.file.slice(1),
        'data/seed',
      ]);
      assert.equal(stdout, `${SEED}content of a file`);
      const own = (await subject().nerdctl(['diff', container.id])).stdout;
      assert.doesNotMatch(own, /^D /m);
    },
    binds: exportDestroys,
    store: exportDestroys,
  });

  const changes = async (text: string) => {
    await using container = await detached(subject());
    await subject().nerdctl(['exec', container.id, 'sh', '-c', text]);
    const { stdout } = await subject().nerdctl(['diff', container.id]);
    // The files that nerdctl itself puts into every container are in /etc; it says some changes twice.
    return [...new Set(stdout.split('\n').filter((line) => !/^. \/etc(\/|$)/.test(line)))].toSorted();
  };
  it('nerdctl: diff names what a container changed', async () => {
    const changed = await changes('echo x > /data/new; rm /data/seed');
    assert.deepEqual(changed, ['A /data/new', 'D /data/seed']);
  });
  const nothingToName = async () => {
    const { greeter } = subject().packages;
    assert.deepEqual(await changes(`echo x > ${greeter}/new; rm -rf ${greeter}/share; true`), []);
  };
  limited(row, 'nerdctl: diff names what a container changed below /nix/store', {
    async holds() {
      const { plus, greeter, equals } = subject().packages;
      assert.deepEqual(
        await changes(
          `echo x > /nix/store/new; echo x > ${plus}/new; rm -rf ${equals} ${greeter}/share/greeter`,
        ),
        [
          'A /nix/store/new',
          `A ${plus}/new`,
          'C /nix/store',
          `C ${plus}`,
          `C ${greeter}/share`,
          `D ${equals}`,
          `D ${greeter}/share/greeter`,
        ].toSorted(),
      );
    },
    binds: nothingToName,
    store: nothingToName,
  });

  it('nerdctl: commit, and a container of the committed image', async () => {
    await using container = await detached(subject());
    await subject().nerdctl(['exec', container.id, 'sh', '-c', 'echo committed > /data/new']);
    await subject().nerdctl(['commit', container.id, COMMITTED]);
    try {
      const text = `cat /data/new; ${subject().packages.greeter}/bin/greet commit`;
      assert.equal(await subject().run(text, COMMITTED), 'committed\nHello from the Nix store, commit!');
      assert.deepEqual(await subject().shown(COMMITTED), await subject().shown());
    } finally {
      await subject().ctr(['image', 'rm', '--sync', COMMITTED]);
    }
  });
}

const COMMITTED = 'localhost/view:committed';
const RUN = ['run', '--net', 'none', '--pull', 'never'];

/** A container of nerdctl's that goes on until it is disposed of. */
async function detached(subject: Subject): Promise<AsyncDisposable & { readonly id: string }> {
  const { stdout: id } = await subject.nerdctl([...RUN, '--detach', IMAGES.plain, 'sleep', '1000']);
  return {
    id,
    async [Symbol.asyncDispose]() {
      await subject.nerdctl(['rm', '--force', id]);
    },
  };
}

/** Copies a file of a store path out of the container, and a file into it and out again. */
async function copies(subject: Subject, id: string): Promise<void> {
  const { rig, packages } = subject;
  const dir = '/tmp/copies';
  await rig.node.sh(`mkdir ${dir}; echo there and back > ${dir}/in`);
  try {
    await subject.nerdctl(['cp', `${id}:${packages.greeter}/share/greeter/message`, `${dir}/message`]);
    await subject.nerdctl(['cp', `${dir}/in`, `${id}:/data/in`]);
    await subject.nerdctl(['cp', `${id}:/data/in`, `${dir}/out`]);
    const { stdout } = await rig.node.sh(`cat ${dir}/message ${dir}/out`);
    assert.equal(stdout, 'Hello from the Nix store\nthere and back');
  } finally {
    await rig.node.exec(['rm', '-r', dir]);
  }
}
