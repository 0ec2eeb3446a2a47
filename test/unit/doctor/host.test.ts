import { deepEqual, match } from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { commandsFor } from '../../../src/doctor/commands.ts';
import { judgeDisk } from '../../../src/doctor/disk.ts';
import { readHosts } from '../../../src/doctor/hosts.ts';
import { judgeKernel, type KernelFacts } from '../../../src/doctor/kernel.ts';
import { judgeNix, type NixFacts } from '../../../src/doctor/nix.ts';
import type { Distribution } from '../../../src/doctor/packages.ts';
import { judgeRootless } from '../../../src/doctor/rootless.ts';
import { readRoot } from '../../../src/doctor/root-directory.ts';
import { COMMANDS, told } from './told.ts';

const HOST = { isRoot: true, commands: COMMANDS };
const GIB = 2 ** 30;

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
