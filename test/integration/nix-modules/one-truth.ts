import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import { stringify, type TomlTable } from 'smol-toml';
import * as v from 'valibot';
import { configSchema } from '../../../src/config/schema.ts';
import { loadAccessToken } from '../../../src/resolver/access-token.ts';
import type { Target } from '../../../src/setup/file-change.ts';
import { RESOLVER } from '../../../src/setup/plan.ts';
import { runSetup } from '../../../src/setup/run.ts';
import { makeDirectories } from '../../../src/host/make-directories.ts';
import { renderOptions } from '../../nix/options-page.ts';
import { type NixosUnit, parseUnit, sections, type Unit, unitOf } from '../../nix/units.ts';
import { projectRoot } from '../../sandbox/layout.ts';
import type { Evaluated, Outcome } from './outcome.ts';

const SOCKET = '/run/nix-snapshotter/nix-snapshotter.sock';

/**
 * What follows from the modules is what the daemon, setup and the packages say themselves.
 *
 * @param evaluated what a suite before this one has evaluated.
 */
export function describeOneTruth(skip: string | false, evaluated: () => Evaluated | undefined): void {
  describe('one truth', { skip }, () => {
    const nixos = (name: string) => outcome(evaluated(), 'nixos', name);
    const home = (name: string) => outcome(evaluated(), 'home', name);
    const example = async (path: string): Promise<Unit> =>
      parseUnit(await readFile(join(projectRoot, 'examples/systemd', path), 'utf8'));
    const withExec = (unit: Unit, command: string): Unit => ({
      ...unit,
      Service: { ...unit['Service'], ExecStart: command },
    });
    const execOf = (unit: Unit) => unit['Service']?.['ExecStart'] ?? '';

    it('the system’s units are the packaged ones', async () => {
      const { services, sockets } = nixos('containerd').systemd;
      const service = unitOf(services['nix-snapshotter'] as NixosUnit);
      assert.match(
        execOf(service),
        /^\/nix\/store\/\S+\/bin\/nix-snapshotter --config \/nix\/store\/\S+-config\.toml$/,
      );
      assert.deepEqual(service, withExec(await example('nix-snapshotter.service'), execOf(service)));
      assert.deepEqual(
        unitOf(sockets['nix-snapshotter'] as NixosUnit),
        await example('nix-snapshotter.socket'),
      );
      assert.match(services['nix-snapshotter']?.path?.join(' ') ?? '', /-nix-1\.0$/);
    });

    it('a user’s unit is the packaged one, by NixOS and by Home Manager', async () => {
      const packaged = await example('user/nix-snapshotter.service');
      const ofNixos = unitOf(nixos('rootless').systemd.user.services['nix-snapshotter'] as NixosUnit);
      assert.match(execOf(ofNixos), /\/bin\/nix-snapshotter rootless --config \S+-config\.toml$/);
      // NixOS gives it to every user, root among them.
      const unit = { ...packaged, Unit: { ...packaged['Unit'], ConditionUser: '!root' } };
      assert.deepEqual(ofNixos, withExec(unit, execOf(ofNixos)));
      const ofHome = sections(home('rootless').systemd.user.services['nix-snapshotter'] as never);
      const { Environment, ...rest } = ofHome['Service'] ?? {};
      assert.match(Environment ?? '', /^PATH=\S+-nix-1\.0\/bin:.*:\/run\/wrappers\/bin:\/usr\/bin:/);
      assert.deepEqual({ ...ofHome, Service: rest }, withExec(packaged, execOf(ofHome)));
    });

    it('the view helper’s units are the packaged ones', async () => {
      const { services, sockets } = nixos('rootless').systemd;
      const service = unitOf(services['nix-snapshotter-view-helper@'] as NixosUnit);
      assert.match(execOf(service), /\/bin\/nix-snapshotter view-helper --config \S+ --user %i$/);
      assert.deepEqual(
        service,
        withExec(await example('nix-snapshotter-view-helper@.service'), execOf(service)),
      );
      const socket = unitOf(sockets['nix-snapshotter-view-helper@1000'] as NixosUnit);
      assert.deepEqual(socket, await example('nix-snapshotter-view-helper@.socket'));
      const { tmpfiles } = nixos('rootless').systemd;
      const { root } = v.parse(configSchema, {}).view_helper;
      assert.deepEqual(tmpfiles.settings, {
        '10-nix-snapshotter-view-helper': { [root]: { d: { mode: '0755' } } },
      });
    });

    it('the configuration files are ones that the daemon reads, and setup adds nothing to them', async () => {
      const files = { containerd: 'hosts', embedded: 'k3s', settings: 'hosts' } as const;
      for (const [name, target] of Object.entries(files)) {
        const table = nixos(name).file.daemon ?? {};
        v.parse(configSchema, table);
        const made = await filesOfSetup(target, table);
        const command = nixos(name).systemd.services['nix-snapshotter-setup']?.serviceConfig?.['ExecStart'];
        assert.match(
          String(command),
          new RegExp(`/bin/nix-snapshotter setup --${target} --config /nix/store/\\S+-config\\.toml$`),
        );
        assert.ok(
          !made.includes('/etc/nix-snapshotter/config.toml'),
          `${name}: setup would change the file that is in the store`,
        );
        assert.ok(
          made.some((path) => /hosts\.toml$|registries\.yaml$/.test(path)),
          `${name}: ${made.join(', ')}`,
        );
      }
      for (const one of [nixos('rootless'), home('goVersion')]) v.parse(configSchema, one.files.daemon);
      assert.deepEqual(nixos('settings').file.daemon, {
        view: 'binds',
        gc: { grace: '24h' },
        nix: { substituters: ['https://cache.example.org'], concurrency: 8 },
        resolver: { address: '[::1]:7000', build: 'drv' },
      });
      assert.deepEqual(nixos('embedded').file.daemon, {
        containerd_address: '/run/k3s/containerd/containerd.sock',
        image_service: { snapshotter: 'nix-snapshotter' },
        resolver: { address: RESOLVER },
      });
    });

    it('k3s: what it is told, inside and outside', () => {
      const flags = (name: string) =>
        String(nixos(name).systemd.services['k3s']?.serviceConfig?.['ExecStart']);
      assert.match(flags('embedded'), / --snapshotter nix-snapshotter$/);
      assert.match(
        nixos('embedded').shell,
        /CONTAINERD_ADDRESS="\/run\/k3s\/containerd\/containerd\.sock"[^]*CONTAINERD_NAMESPACE="k8s\.io"[^]*CONTAINERD_SNAPSHOTTER="nix-snapshotter"/,
      );
      assert.match(flags('builtIn'), / --snapshotter nix$/);
      assert.match(nixos('builtIn').systemd.services['k3s']?.path?.join(' ') ?? '', /-nix-1\.0$/);
      const external = flags('external');
      for (const flag of [
        '--disable traefik',
        '--container-runtime-endpoint unix:///run/containerd/containerd.sock',
        `--image-service-endpoint unix://${SOCKET}`,
      ])
        assert.ok(external.includes(` ${flag}`), flag);
      assert.ok(!external.includes('--snapshotter'));
      assert.match(flags('k3sAlone'), /k3s server \\\n --disable traefik$/);
    });

    it('the kubelet is led to the image service where that is wanted, as the Go version’s users do by hand', () => {
      const flag = `--image-service-endpoint unix://${SOCKET}`;
      assert.equal(nixos('kubernetes').kubelet, flag);
      assert.equal(nixos('goKubernetes').kubelet, flag);
      assert.equal(nixos('containerd').kubelet, '');
      for (const name of ['kubernetes', 'goKubernetes'])
        assert.deepEqual(nixos(name).file.daemon?.['image_service'], { enable: true }, name);
      const { runc } = (nixos('kubernetes').containerd['plugins'] as never)['io.containerd.grpc.v1.cri'][
        'containerd'
      ]['runtimes'] as { runc: TomlTable };
      assert.deepEqual(runc, { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: true } });
    });

    it('images are loaded by nix2container, addresses with variables put in', () => {
      assert.match(
        nixos('goVersion').preload ?? '',
        /\/bin\/nix2container --address "\$XDG_RUNTIME_DIR\/containerd\/containerd\.sock" --namespace k8s\.io \\\n\s+load --snapshotter nix \/nix\/store\/\S+-hello\.tar\n/,
      );
    });

    it('images for the containerd in k3s go to the snapshotter that it has, and are loaded when it listens', () => {
      assert.match(
        nixos('rootlessBesideK3s').preload ?? '',
        /--address "\/run\/k3s\/containerd\/containerd\.sock" --namespace k8s\.io \\\n\s+load --snapshotter nix-snapshotter \/images\/a\.tar\n/,
      );
      const unit = unitOf(nixos('rootlessBesideK3s').systemd.services['preload-containerd'] as NixosUnit);
      assert.equal(unit['Service']?.['Restart'], 'on-failure');
      assert.ok(Number(unit['Unit']?.['StartLimitBurst']) > 1);
    });

    it('what a login shell is told of containerd is of one containerd', async () => {
      const told = async (name: string, uid: number, env: Readonly<Record<string, string>> = {}) => {
        const { stdout } = await execa({
          input: `id() { echo ${uid}; }\n${nixos(name).shell}\nset`,
          env: { PATH: process.env['PATH'] ?? '', XDG_RUNTIME_DIR: '/run/user/1000', ...env },
          extendEnv: false,
        })`bash -u -o posix`;
        const lines = [...stdout.matchAll(/^CONTAINERD_([A-Z]+)=(.*)$/gm)];
        return Object.fromEntries(lines.map(([, key = '', value]) => [key.toLowerCase(), value]));
      };
      const ofUser = { address: '/run/user/1000/containerd/containerd.sock', snapshotter: 'nix' };
      const ofK3s = {
        address: '/run/k3s/containerd/containerd.sock',
        namespace: 'k8s.io',
        snapshotter: 'nix-snapshotter',
      };
      assert.deepEqual(await told('rootlessBesideK3s', 1000), ofUser);
      assert.deepEqual(await told('rootlessBesideK3s', 0), ofK3s);
      assert.deepEqual(await told('embedded', 1000), ofK3s);
      const chosen = { CONTAINERD_ADDRESS: '/run/mine.sock' };
      assert.deepEqual(await told('embedded', 0, chosen), { address: '/run/mine.sock' });
      assert.deepEqual(await told('snapshotterOnly', 0, chosen), {
        address: '/run/mine.sock',
        snapshotter: 'nix',
      });
      assert.deepEqual(await told('embedded', 0, { CONTAINERD_NAMESPACE: 'mine' }), {
        ...ofK3s,
        namespace: 'mine',
      });
    });

    it('what other modules say of the same is not in the way', () => {
      const user = nixos('rootlessBesideK3s').systemd.services['user@'];
      assert.equal(user?.serviceConfig?.['Delegate'], 'memory pids cpu cpuset');
      assert.deepEqual(nixos('beside').failed, []);
    });

    it('without root: newuidmap is looked for where it is setuid, and lingering is asked for', () => {
      const script = home('rootless').files.scripts['containerd'] ?? '';
      assert.match(
        script,
        /^export PATH=\/run\/wrappers\/bin:\S+:\/usr\/local\/sbin:\/usr\/local\/bin:\/usr\/sbin:\/usr\/bin:\/sbin:\/bin$/m,
      );
      assert.match(script, /^exec rootlesskit/m);
      assert.match(nixos('noLinger').warnings.join(), /users\.users\.<name>\.linger = true/);
      assert.deepEqual(nixos('rootless').warnings, []);
    });

    it('docs/options.md is current', async () => {
      const all = evaluated();
      assert.ok(all !== undefined);
      const page = await readFile(join(projectRoot, 'docs/options.md'), 'utf8');
      assert.equal(page, renderOptions(all.options), 'write it anew: npm run docs:options');
    });
  });
}

function outcome(all: Evaluated | undefined, kind: 'nixos' | 'home', name: string): Outcome {
  const found = all?.[kind][name];
  assert.ok(found !== undefined, `no configuration ${kind} ${name}`);
  return found;
}

/** The paths that setup writes in a tree whose daemon has this configuration. */
async function filesOfSetup(target: Target, config: TomlTable): Promise<readonly string[]> {
  const rootDir = await mkdtemp(join(tmpdir(), 'modules-'));
  try {
    await makeDirectories(join(rootDir, 'etc/nix-snapshotter'), 0o755);
    await writeFile(join(rootDir, 'etc/nix-snapshotter/config.toml'), stringify(config));
    let said = '';
    await runSetup(
      { targets: [target], print: false, dryRun: false, undo: false, rootDir },
      { env: {}, uid: 0, write: (text) => (said += text), loadToken: loadAccessToken },
    );
    return [...said.matchAll(/^(?:created|changed) +(\/\S+)/gm)].map(([, path]) => path ?? '');
  } finally {
    await rm(rootDir, { recursive: true });
  }
}
