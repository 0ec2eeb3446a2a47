import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EffectiveConfig } from '../../../src/containerd/effective-config.ts';
import { judgeContainerd } from '../../../src/doctor/containerd.ts';
import { judgeContainerdConfig } from '../../../src/doctor/containerd-config.ts';
import { judgeHosts } from '../../../src/doctor/hosts.ts';
import { flagIn, judgeKubelet } from '../../../src/doctor/kubelet.ts';
import { judgeMounts } from '../../../src/doctor/mounts.ts';
import { COMMANDS, told } from './told.ts';

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
