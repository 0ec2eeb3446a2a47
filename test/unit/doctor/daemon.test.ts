import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatusResponse } from '../../../proto/gen/messages.ts';
import { type DaemonFacts, judgeDaemon } from '../../../src/doctor/daemon.ts';
import { judgeRoot } from '../../../src/doctor/root-directory.ts';
import { judgeUnits, parseShow } from '../../../src/doctor/units.ts';
import { VERSION } from '../../../src/version.ts';
import { COMMANDS, told } from './told.ts';

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
