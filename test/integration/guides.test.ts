import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { buildPackages } from '../fixtures/packages.ts';
import { ensureTool } from '../sandbox/go-tools.ts';
import { inside } from '../sandbox/layout.ts';
import { Snapshotter } from '../sandbox/snapshotter.ts';
import { parsePage } from '../unit/docs/markdown.ts';
import { GREETING } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { startRegistry } from './support/registry.ts';
import { DAEMON_CONFIG, ROOT, SetupNode } from './support/setup.ts';

const DAEMON = 'node dist/nix-snapshotter.mjs';
const SOCKET = '/run/nix-snapshotter/nix-snapshotter.sock';
const KEY = '/etc/nix/cache.key';

const [row] = await matrix(['1.7'], ['nerdctl', 'crictl']);

describe('guides, word for word', { skip: row?.skip ?? false }, () => {
  let rig: SetupNode;
  let daemon: Snapshotter;
  /** What stands in a guide for what only a real node has. */
  const real = new Map<string, string>();

  before(async () => {
    assert.ok(row);
    rig = await SetupNode.up(row);
    const { node } = rig;
    daemon = new Snapshotter({ socket: SOCKET, root: ROOT, args: ['--config', DAEMON_CONFIG] }, { node });
    const dist = `${inside.project}/dist`;
    const tool = async (name: 'nerdctl' | 'crictl'): Promise<string> =>
      `${inside.tools}/${await ensureTool(name)}/${name}`;
    const programs = {
      'nix-snapshotter': `node ${dist}/nix-snapshotter.mjs "$@"`,
      nix2container: `node ${dist}/nix2container.mjs "$@"`,
      // A sandbox has no network but its loopback, and no systemd.
      nerdctl: `command=$1; shift; [ "$command" != run ] || set -- --net none "$@"\nexec ${await tool('nerdctl')} --cgroup-manager cgroupfs "$command" "$@"`,
      crictl: `exec ${await tool('crictl')} --timeout 60s --runtime-endpoint unix://${rig.containerd.socket} "$@"`,
    };
    for (const [name, script] of Object.entries(programs)) {
      await node.writeFile(`/usr/local/bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
    }
    const { greeter, redis } = await buildPackages(node, ['greeter', 'redis']);
    const { address } = await startRegistry(node);
    await node.exec(['nix-store', '--generate-binary-cache-key', 'cache.example.org-1', KEY, `${KEY}.pub`]);
    for (const [name, path] of Object.entries({ hello: greeter, redis })) {
      for (const hash of ['…', '<hash>']) real.set(`/nix/store/${hash}-${name}`, path);
    }
    real.set('/bin/hello', '/bin/greet').set('registry.example', address).set('node dist', `node ${dist}`);
  });
  after(async () => await rig?.node.down());

  /** Runs the commands below a heading, one after the other, and gives what each wrote. */
  const follow = async (page: string, heading: string): Promise<readonly string[]> => {
    const outputs: string[] = [];
    for (const line of await commandsBelow(page, heading)) {
      let command = line;
      for (const [written, meant] of real) command = command.replaceAll(written, meant);
      const { stdout } = await perform(line, command);
      outputs.push(stdout);
      const made = /\/nix\/store\/\S+-closure-info/.exec(stdout)?.[0];
      if (made !== undefined) real.set('/nix/store/<hash>-closure-info', made);
    }
    return outputs;
  };
  const perform = async (line: string, command: string): Promise<{ readonly stdout: string }> => {
    if (line === 'npm ci && npm run build') return { stdout: '' };
    if (line === DAEMON) await daemon.start();
    else if (line === 'systemctl restart nix-snapshotter.service') await daemon.restart();
    else if (line === 'systemctl restart containerd.service') await rig.containerd.restart();
    else return await rig.node.sh(`cd /root; ${command}`, { env: rig.env });
    return { stdout: '' };
  };

  it('README.md: nerdctl on a Debian host', async () => {
    const outputs = await follow('README.md', 'nerdctl on a Debian host');
    assert.equal(outputs.filter((text) => text.includes(GREETING)).length, 2);
    await rig.node.sh(`nix-snapshotter setup --containerd --nerdctl --undo`, { env: rig.env });
  });

  it('docs/guide.md: a node', async () => {
    const outputs = await follow('docs/guide.md', '1. A node');
    assert.match(outputs.at(-1) ?? '', /^view +overlay \(default\)/m);
  });

  it('docs/guide.md: a first image: a store path', async () => {
    const [run] = await follow('docs/guide.md', '2. A first image: a store path');
    assert.match(run ?? '', new RegExp(GREETING));
  });

  it('docs/guide.md: an image of your own', async () => {
    const outputs = await follow('docs/guide.md', '3. An image of your own');
    assert.match(outputs.at(-1) ?? '', /blobs sent/);
  });

  it('docs/guide.md: a binary cache', async () => {
    await follow('docs/guide.md', '4. A binary cache');
    const redis = real.get('/nix/store/<hash>-redis')?.slice('/nix/store/'.length, '/nix/store/'.length + 32);
    assert.match(await rig.node.readFile(`/srv/cache/${redis}.narinfo`), /^Sig: cache\.example\.org-1:/m);
  });
});

/** What a person types, without prompts and remarks. */
async function commandsBelow(page: string, heading: string): Promise<readonly string[]> {
  const blocks = parsePage(page, await readFile(page, 'utf8')).code.filter(
    (code) => code.heading === heading && ['sh', 'console'].includes(code.language),
  );
  assert.ok(blocks.length > 0, `${page} has no commands below "${heading}"`);
  return blocks
    .flatMap(({ text }) => text.split('\n'))
    .map((line) => line.replace(/^[#$] /, '').replace(/ +# .*$/, ''))
    .filter((line) => line !== '');
}
