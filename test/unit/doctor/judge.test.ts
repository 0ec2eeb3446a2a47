import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { StatusResponse } from '../../../proto/gen/messages.ts';
import type { EffectiveConfig } from '../../../src/containerd/effective-config.ts';
import { commandsFor, shellWord } from '../../../src/doctor/commands.ts';
import { judgeContainerd } from '../../../src/doctor/containerd.ts';
import { judgeContainerdConfig } from '../../../src/doctor/containerd-config.ts';
import { type DaemonFacts, judgeDaemon } from '../../../src/doctor/daemon.ts';
import { judgeDisk } from '../../../src/doctor/disk.ts';
import type { Finding } from '../../../src/doctor/finding.ts';
import { judgeHosts, readHosts } from '../../../src/doctor/hosts.ts';
import { judgeKernel, type KernelFacts } from '../../../src/doctor/kernel.ts';
import { flagIn, judgeKubelet } from '../../../src/doctor/kubelet.ts';
import { judgeMounts } from '../../../src/doctor/mounts.ts';
import { judgeNix, type NixFacts } from '../../../src/doctor/nix.ts';
import type { Distribution } from '../../../src/doctor/packages.ts';
import { judgeRootless } from '../../../src/doctor/rootless.ts';
import { judgeRoot, readRoot } from '../../../src/doctor/root-directory.ts';
import { judgeUnits, parseShow } from '../../../src/doctor/units.ts';
import { VERSION } from '../../../src/version.ts';

const COMMANDS = commandsFor({ isRoot: true, containerdAddress: '/run/containerd/containerd.sock' });
const HOST = { isRoot: true, commands: COMMANDS };
const GIB = 2 ** 30;

/** `<level> <id>` of what is not as it should be. */
function told(findings: readonly Finding[]): readonly string[] {
  for (const { level, why, fix } of findings) ok(level === 'ok' || (why !== '' && fix !== ''));
  return findings.filter(({ level }) => level !== 'ok').map(({ level, id }) => `${level} ${id}`);
}

describe('fixes', () => {
  it('are for the daemon that is meant', () => {
    const user = commandsFor({
      isRoot: false,
      containerdAddress: '/run/k3s/containerd/containerd.sock',
      config: "/a'b",
    });
    deepEqual(
      [user.setup, user.restartContainerd],
      [String.raw`nix-snapshotter setup --k3s --config '/a'\''b'`, 'systemctl --user restart k3s.service'],
    );
    const agent = { isRoot: true, containerdAddress: '/run/k3s/containerd/containerd.sock', isAgent: true };
    deepEqual(commandsFor(agent).restartContainerd, 'systemctl restart k3s-agent.service');
    deepEqual(['/a/b.toml', '$(id)', ''].map(shellWord), ['/a/b.toml', "'$(id)'", "''"]);
    const hostile = "/a\n\u001b[2J\u009b'\\$(id)\u202e é";
    const word = shellWord(hostile);
    match(word, /^\$'[ -~]+'$/);
    equal(execFileSync('bash', ['-c', `printf %s ${word}`], { encoding: 'utf8' }), hostile);
  });
});

describe('the kernel', () => {
  const good: KernelFacts = {
    release: '6.18.0',
    hasOverlay: true,
    hasMetacopy: true,
    mayLoad: false,
    whyNoIdMapping: undefined,
    userNamespaces: 1000,
    missingPrograms: [],
  };
  const cases: readonly [Partial<KernelFacts>, readonly string[]][] = [
    [{}, []],
    [{ hasOverlay: false, hasMetacopy: false }, ['error kernel-overlay']],
    [{ hasMetacopy: false }, ['warning kernel-metacopy']],
    [{ whyNoIdMapping: 'Linux 5.19' }, ['warning kernel-id-mapping']],
    [{ userNamespaces: 0 }, ['warning kernel-user-namespaces']],
    [{ missingPrograms: ['tar'] }, ['error program-missing']],
  ];
  for (const [facts, expected] of cases) {
    it(`${JSON.stringify(facts)}: ${expected.join() || 'good'}`, () => {
      deepEqual(told(judgeKernel({ ...good, ...facts }, HOST)), expected);
    });
  }
  it('a module that can be loaded is', () => {
    const [finding] = judgeKernel({ ...good, hasOverlay: false, mayLoad: true }, HOST);
    deepEqual(finding?.commands[0], 'modprobe overlay');
  });
  it('a program that is missing is installed as the distribution does', () => {
    const facts = { ...good, missingPrograms: ['umount'] } as const;
    const by = (distribution: Distribution) => {
      const commands = commandsFor({ isRoot: true, containerdAddress: '/c', distribution });
      const [finding] = judgeKernel(facts, { isRoot: true, commands });
      return [...(finding?.commands ?? []), finding?.fix];
    };
    const path = 'or put its directory into the PATH of the daemon’s unit';
    deepEqual(by('debian'), ['apt-get install mount', `install it, ${path}`]);
    deepEqual(by('other'), [`install the package util-linux of this distribution, ${path}`]);
  });
});

describe('the daemon', () => {
  const answer = {
    version: VERSION,
    pid: 1n,
    address: '/s',
    snapshots: { active: 0n, view: 0n, committed: 0n, degraded: 0n },
    view: { mode: 'overlay', reason: 'default' },
    problems: [] as string[],
  } as unknown as StatusResponse;
  const open: DaemonFacts = { address: '/s', socket: { kind: 'open', mode: 0o600, owner: 0 }, answer };
  const silent = (code: 'Unimplemented' | 'DeadlineExceeded'): DaemonFacts => ({
    address: '/s',
    socket: { kind: 'open', mode: 0o600, owner: 0 },
    refusal: { code, message: 'm' },
  });
  const cases: readonly [string, DaemonFacts, readonly string[]][] = [
    ['good', open, []],
    ['old', { ...open, answer: { ...answer, version: '0.0.1' } }, ['warning daemon-version']],
    ['problems', { ...open, answer: { ...answer, problems: ['a is lost; do b'] } }, ['error daemon-problem']],
    [
      'degraded',
      { ...open, answer: { ...answer, snapshots: { active: 0n, view: 0n, committed: 0n, degraded: 2n } } },
      ['error daemon-degraded'],
    ],
    [
      'binds',
      { ...open, answer: { ...answer, view: { mode: 'binds', reason: 'no overlay view: x' } } },
      ['warning view-binds'],
    ],
    [
      'binds on purpose',
      { ...open, answer: { ...answer, view: { mode: 'binds', reason: 'configured' } } },
      [],
    ],
    ['group', { ...open, socket: { kind: 'open', mode: 0o660, owner: 0 } }, ['error socket-mode']],
    ['absent', { address: '/s', socket: { kind: 'absent' } }, ['error daemon-down']],
    ['stale', { address: '/s', socket: { kind: 'stale' } }, ['error daemon-down']],
    ['denied', { address: '/s', socket: { kind: 'denied' } }, ['error daemon-denied']],
    ['a file', { address: '/s', socket: { kind: 'other' } }, ['error socket-other']],
    ['takes nothing', { address: '/s', socket: { kind: 'silent' } }, ['error daemon-silent']],
    ['answers late', silent('DeadlineExceeded'), ['error daemon-silent']],
    ['foreign', silent('Unimplemented'), ['error daemon-foreign']],
  ];
  for (const [what, facts, expected] of cases)
    it(`${what}: ${expected.join() || 'good'}`, () =>
      deepEqual(told(judgeDaemon(facts, COMMANDS)), expected));
});

describe('the root', () => {
  const own = { path: '/root', mode: 0o700, owner: 0 };
  it('is the daemon’s alone', () => {
    const judge = (found: readonly (typeof own)[], isGo = false) =>
      told(judgeRoot({ root: '/root', found, isGo, user: 0 }, COMMANDS));
    deepEqual(judge([own]), []);
    deepEqual(judge([]), []);
    deepEqual(judge([{ ...own, mode: 0o710 }]), ['error root-mode']);
    deepEqual(judge([{ ...own, owner: 5 }]), ['error root-owner']);
    deepEqual(judge([own], true), ['error root-go']);
  });
});

describe('Nix', () => {
  const good: NixFacts = {
    program: 'nix-store',
    version: { said: 'nix-store (Nix) 2.26.3' },
    store: { directory: '/nix/store', isThere: true },
    daemon: {
      socket: '/d',
      isNeeded: true,
      answer: { protocol: '1.38', nixVersion: '2.26.3', trusted: true },
    },
    choosesSubstituters: true,
  };
  const daemon = (answer: NonNullable<NixFacts['daemon']>['answer'], isNeeded = true) => ({
    daemon: { socket: '/d', isNeeded, answer },
  });
  const untrusted = { protocol: '1.38', nixVersion: '2.26.3', trusted: false };
  const cases: readonly [string, Partial<NixFacts>, readonly string[]][] = [
    ['good', {}, []],
    ['missing', { version: { missing: 'm' } }, ['error nix-missing']],
    ['no store', { store: { directory: '/nix/store', isThere: false } }, ['error nix-store-absent']],
    ['a store elsewhere', { store: { unusable: 'm' } }, ['error nix-store-unusable']],
    ['no daemon', daemon({ refusal: 'm' }), ['error nix-daemon-down']],
    ['no daemon for root', daemon({ refusal: 'm' }, false), ['warning nix-daemon-down']],
    ['untrusted', daemon(untrusted), ['warning nix-untrusted']],
    ['untrusted, with nothing to choose', { ...daemon(untrusted), choosesSubstituters: false }, []],
  ];
  for (const [what, facts, expected] of cases)
    it(`${what}: ${expected.join() || 'good'}`, () =>
      deepEqual(told(judgeNix({ ...good, ...facts }, COMMANDS)), expected));
});

describe('containerd', () => {
  const judge = (release: string, options: { installed?: string; failure?: string } = {}) => {
    const transfer = {
      name: 'io.containerd.transfer.v1.local',
      exports: {},
      capabilities: [],
      failure: options.failure,
    };
    const btrfs = { ...transfer, name: 'io.containerd.snapshotter.v1.btrfs', failure: 'no btrfs' };
    const running = { release, pid: 1, pidNamespace: 1n, plugins: [transfer, btrfs] };
    const facts = { address: '/c', daemonAddress: '/s', answer: { running }, installed: options.installed };
    return told(judgeContainerd(facts, COMMANDS));
  };
  it('is of a release that works', () => {
    deepEqual(judge('2.3.7'), []);
    deepEqual(judge('2.0.5'), ['warning containerd-untested']);
    deepEqual(judge('2.9.0'), ['warning containerd-untested']);
    deepEqual(judge('1.6.20'), ['error containerd-old']);
  });
  it('has started what is needed, and nothing has taken its place', () => {
    deepEqual(judge('2.3.7', { failure: 'no unpack platform' }), ['error containerd-plugin']);
    deepEqual(judge('2.3.7', { installed: '2.4.2' }), ['warning containerd-replaced']);
    deepEqual(judge('2.3.7', { installed: '2.3.7' }), []);
  });
  it('that cannot be asked is told, and what to do', () => {
    const refused = (code: 'Unavailable' | 'PermissionDenied', message: string) =>
      told(
        judgeContainerd(
          { address: '/c', daemonAddress: '/s', answer: { refusal: { code, message } } },
          COMMANDS,
        ),
      );
    deepEqual(refused('Unavailable', 'connect ENOENT'), ['error containerd-down']);
    deepEqual(refused('Unavailable', 'connect EACCES /c'), ['error containerd-denied']);
  });
});

describe('containerd’s settings', () => {
  const proxy = { name: 'nix', type: 'snapshot', address: '/s', capabilities: ['remap-ids'], root: '/root' };
  const cri = { snapshotter: 'nix', runtimes: [], hostsDirs: [], discardsLayers: false };
  const good: EffectiveConfig = { proxies: [proxy], cri, unpacksFor: ['overlayfs', 'nix'] };
  const judge = (effective: Partial<EffectiveConfig>, release = '2.3.7', isForPods = true) =>
    told(
      judgeContainerdConfig(
        {
          file: '/f',
          effective: { ...good, ...effective },
          running: {
            release,
            plugins: [
              {
                name: 'io.containerd.snapshotter.v1.nix',
                exports: { address: '/s' },
                capabilities: [],
                failure: undefined,
              },
            ],
          },
          daemon: { address: '/s', root: '/root' },
          snapshotter: 'nix',
          isForPods,
        },
        COMMANDS,
      ),
    );
  const cases: readonly [string, Partial<EffectiveConfig>, readonly string[]][] = [
    ['good', {}, []],
    ['CRI switched off', { cri: undefined }, []],
    ['no proxy', { proxies: [] }, ['error containerd-proxy-missing']],
    ['another address', { proxies: [{ ...proxy, address: '/x' }] }, ['error containerd-proxy-address']],
    ['another type', { proxies: [{ ...proxy, type: 'content' }] }, ['error containerd-proxy-type']],
    [
      'rebase',
      { proxies: [{ ...proxy, capabilities: ['remap-ids', 'rebase'] }] },
      ['error containerd-rebase'],
    ],
    ['no remap-ids', { proxies: [{ ...proxy, capabilities: [] }] }, ['warning containerd-remap-ids']],
    ['no root', { proxies: [{ ...proxy, root: undefined }] }, ['warning containerd-exports-root']],
    ['not unpacked for', { unpacksFor: ['overlayfs'] }, ['error containerd-unpack']],
    ['overlayfs not unpacked for', { unpacksFor: ['nix'] }, ['warning containerd-unpack-overlayfs']],
    ['pods elsewhere', { cri: { ...cri, snapshotter: 'overlayfs' } }, ['error cri-snapshotter']],
    [
      'one runtime',
      { cri: { ...cri, snapshotter: 'overlayfs', runtimes: [{ name: 'r', snapshotter: 'nix' }] } },
      ['warning cri-runtime-snapshotter'],
    ],
    ['layers thrown away', { cri: { ...cri, discardsLayers: true } }, ['warning cri-discard']],
  ];
  for (const [what, effective, expected] of cases)
    it(`${what}: ${expected.join() || 'good'}`, () => deepEqual(judge(effective), expected));
  it('what one release needs another does not know', () => {
    deepEqual(judge({}, '1.7.24'), ['warning containerd-remap-ids']);
    deepEqual(judge({ proxies: [{ ...proxy, capabilities: [] }] }, '1.7.24'), []);
  });
  it('pods may use another snapshotter where nobody asked for ours', () => {
    deepEqual(judge({ cri: { ...cri, snapshotter: 'overlayfs' } }, '2.3.7', false), [
      'warning cri-snapshotter',
    ]);
  });
});

describe('hosts', () => {
  const file = { host: 'nix:0', path: '/h', mode: 0o600, leadsToResolver: true, hasToken: true };
  const judge = (files: readonly object[], answer: number | string = 200) =>
    told(
      judgeHosts(
        { resolver: 'http://127.0.0.1:1', directories: ['/d'], files: files as never, answer },
        COMMANDS,
      ),
    );
  it('lead to the resolver, with its token, and tell it nobody', () => {
    deepEqual(judge([file]), []);
    deepEqual(judge([{ host: 'nix:0' }]), ['error hosts-missing']);
    deepEqual(judge([{ ...file, hasToken: false }]), ['error hosts-outdated']);
    deepEqual(judge([{ ...file, hasToken: undefined }]), []);
    deepEqual(judge([{ ...file, leadsToResolver: false }]), ['error hosts-outdated']);
    deepEqual(judge([{ ...file, mode: 0o644 }]), ['error hosts-mode']);
    deepEqual(judge([{ host: 'nix:0', path: '/h', unreadable: 'line 1 is not TOML' }]), [
      'error hosts-unreadable',
    ]);
    deepEqual(judge([file], 401), ['error resolver-silent']);
  });
});

describe('mounts', () => {
  const good = { mounts: 10, limit: 100_000, unseen: [], isSameNamespace: true };
  it('have room, and are seen', () => {
    const judge = (facts: object) => told(judgeMounts({ ...good, ...facts }, COMMANDS));
    deepEqual(judge({}), []);
    deepEqual(judge({ mounts: 50_000 }), ['warning mount-max']);
    deepEqual(judge({ mounts: 95_000 }), ['error mount-max']);
    deepEqual(judge({ limit: Number.NaN }), []);
    deepEqual(judge({ isSameNamespace: false, unseen: ['/v'] }), ['error mounts-unseen']);
    deepEqual(judge({ isSameNamespace: false }), []);
    deepEqual(judge({ unseen: ['/v'] }), []);
  });
});

describe('disks', () => {
  const good = { what: 'w', path: '/p', free: 50 * GIB, size: 100 * GIB, freeInodes: 900, inodes: 1000 };
  it('have room', () => {
    const judge = (facts: object) => told(judgeDisk({ ...good, ...facts }));
    deepEqual(judge({}), []);
    deepEqual(judge({ free: GIB / 2 }), ['warning disk-low']);
    deepEqual(judge({ free: 4 * GIB }), ['warning disk-low']);
    deepEqual(judge({ free: 4 * GIB, size: 20 * GIB }), []);
    deepEqual(judge({ free: GIB / 8 }), ['error disk-full']);
    deepEqual(judge({ freeInodes: 10 }), ['warning disk-inodes']);
    deepEqual(judge({ freeInodes: 1 }), ['error disk-inodes']);
    deepEqual(judge({ freeInodes: 0, inodes: 0 }), []);
  });
});

describe('units', () => {
  const SERVICE = `Id=nix-snapshotter.service
LoadState=loaded
UnitFileState=enabled
Before=containerd.service multi-user.target k3s.service shutdown.target
ProtectSystem=no
PrivateMounts=no
ReadWritePaths=
`;
  const CONTAINERD =
    'Id=containerd.service\nLoadState=loaded\nUnitFileState=enabled\nBefore=\nProtectSystem=no\n';
  const judge = (text: string, isRoot = true) => {
    const [service = {}, ...containerds] = parseShow(text);
    return told(judgeUnits({ isRoot, service, containerds }, COMMANDS));
  };
  it('start the daemon before containerd, in the same mount namespace', () => {
    deepEqual(judge(`${SERVICE}\n${CONTAINERD}`), []);
    deepEqual(judge(SERVICE.replace('LoadState=loaded', 'LoadState=not-found')), ['warning unit-missing']);
    deepEqual(judge(SERVICE.replace('=enabled', '=disabled')), ['warning unit-disabled']);
    const unordered = `${SERVICE.replace('containerd.service ', '')}\n${CONTAINERD}`;
    deepEqual(judge(unordered), ['error unit-order']);
    deepEqual(judge(unordered, false), []);
    deepEqual(judge(SERVICE.replace('ProtectSystem=no', 'ProtectSystem=strict')), ['error unit-namespace']);
    // What is mounted on the host reaches the mount namespace that containerd has by these.
    deepEqual(judge(`${SERVICE}\n${CONTAINERD.replace('ProtectSystem=no', 'PrivateTmp=yes')}`), []);
  });
});

describe('the kubelet', () => {
  it('asks our image service', () => {
    const facts = { config: '/k', expected: 'unix:///s' };
    deepEqual(told(judgeKubelet({ ...facts, imageEndpoint: 'unix:///s' })), []);
    deepEqual(told(judgeKubelet({ ...facts, imageEndpoint: undefined })), ['error kubelet-endpoint']);
    deepEqual(told(judgeKubelet({ ...facts, imageEndpoint: 'unix:///c' })), ['error kubelet-endpoint']);
  });
  it('is read by its flags', () => {
    const args = ['kubelet', '--config=/a', '--image-service-endpoint', 'unix:///s', '--config', '/b'];
    deepEqual(
      [flagIn(args, 'config'), flagIn(args, 'image-service-endpoint'), flagIn(args, 'conf')],
      ['/b', 'unix:///s', undefined],
    );
  });
});

describe('a user without root', () => {
  it('is told what hinders, apart from what to do', () => {
    const [finding] = judgeRootless([
      { isFatal: true, text: 'newuidmap is not in PATH: install package uidmap' },
    ]);
    deepEqual(
      [finding?.level, finding?.what, finding?.fix],
      ['error', 'newuidmap is not in PATH', 'install package uidmap'],
    );
    match(judgeRootless([])[0]?.what ?? '', /nothing hinders/);
  });
});

describe('what is looked at through a link', () => {
  it('is what the link leads to', async (context) => {
    const directory = await mkdtemp(join(tmpdir(), 'doctor-'));
    context.after(() => rm(directory, { recursive: true }));
    await mkdir(join(directory, 'disk', 'nix.local'), { recursive: true, mode: 0o700 });
    await writeFile(join(directory, 'disk', 'nix.local', 'hosts.toml'), '', { mode: 0o600 });
    await symlink(join(directory, 'disk'), join(directory, 'root'));
    const { found } = await readRoot(join(directory, 'root'), process.getuid?.() ?? 0);
    deepEqual(
      found.map(({ mode }) => mode),
      [0o700],
    );
    await mkdir(join(directory, 'nix_0_'));
    await symlink(join(directory, 'disk/nix.local/hosts.toml'), join(directory, 'nix_0_', 'hosts.toml'));
    const asked = { resolver: 'http://127.0.0.1:1', directories: [directory], tokenFile: '/nowhere' };
    const { files } = await readHosts(asked, AbortSignal.timeout(5000));
    deepEqual(files[0]?.mode, 0o600);
  });
});
