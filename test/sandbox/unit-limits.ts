import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseUnit } from '../nix/units.ts';
import { projectRoot } from './layout.ts';
import type { Sandbox } from './sandbox.ts';

const FILTER = '/run/unit-limits.bpf';

/** Of seccomp(2) and of `linux/audit.h`. */
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const [EPERM, EAFNOSUPPORT] = [1, 97];

interface Architecture {
  readonly audit: number;
  readonly socket: number;
  /** systemd's groups, as `systemd-analyze syscall-filter` lists them, by the kernel's numbers. */
  readonly groups: Readonly<Record<string, readonly number[]>>;
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    socket: 41,
    groups: {
      '@clock': [159, 164, 227, 305],
      '@module': [175, 176, 313],
      '@raw-io': [172, 173],
      '@reboot': [169, 246, 320],
      '@swap': [167, 168],
    },
  },
  arm64: {
    audit: 0xc00000b7,
    socket: 198,
    groups: {
      '@clock': [112, 170, 171, 266],
      '@module': [105, 106, 273],
      '@raw-io': [],
      '@reboot': [104, 142, 294],
      '@swap': [224, 225],
    },
  },
};
const FAMILIES: Readonly<Record<string, number>> = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16 };

/** What the packaged unit takes from the daemon, as a program that starts it so. */
export interface UnitLimits {
  readonly wrapper: readonly string[];
  /** `CapabilityBoundingSet`, in lower case, without `cap_`. */
  readonly capabilities: readonly string[];
  readonly stopSeconds: number;
}

/**
 * Reads the packaged unit's limits and makes the node ready for them: capabilities, system calls, address families, no new
 * privileges. systemd itself does not run in a sandbox.
 */
export async function unitLimits(node?: Sandbox): Promise<UnitLimits> {
  const text = await readFile(join(projectRoot, 'examples/systemd/nix-snapshotter.service'), 'utf8');
  const service = parseUnit(text)['Service'] ?? {};
  const capabilities = words(service['CapabilityBoundingSet']).map((name) => name.slice(4).toLowerCase());
  const filter = filterOf(
    words(service['SystemCallFilter']?.replace(/^~/, '')),
    words(service['RestrictAddressFamilies']),
  );
  if (node !== undefined) await node.writeFile(FILTER, filter);
  return {
    wrapper: [
      'setpriv',
      '--bounding-set',
      ['-all', ...capabilities.map((name) => `+${name}`)].join(','),
      ...(service['NoNewPrivileges'] === 'yes' ? ['--no-new-privs'] : []),
      '--seccomp-filter',
      FILTER,
    ],
    capabilities,
    stopSeconds: Number(service['TimeoutStopSec']),
  };
}

function words(text = ''): readonly string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** A program of classic BPF (`linux/filter.h`): what is in these groups, and a socket of any other family, fails. */
function filterOf(groups: readonly string[], families: readonly string[]): Uint8Array {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`no system calls are known of ${process.arch}`);
  const denied = groups.flatMap((group) => {
    const numbers = architecture.groups[group];
    if (numbers === undefined) throw new Error(`the system calls of ${group} are not known here`);
    return numbers;
  });
  const allowed = families.map((name) => {
    const number = FAMILIES[name];
    if (number === undefined) throw new Error(`the address family ${name} is not known here`);
    return number;
  });
  const load = (offset: number) => instruction(0x20, 0, 0, offset);
  const ret = (value: number) => instruction(0x06, 0, 0, value);
  const unless = (value: number, skip: number) => instruction(0x15, 0, skip, value);
  return Buffer.concat([
    load(4),
    unless(architecture.audit, 0),
    load(0),
    ...denied.flatMap((number) => [unless(number, 1), ret(ERRNO | EPERM)]),
    unless(architecture.socket, 2 * allowed.length + 2),
    load(16),
    ...allowed.flatMap((family) => [unless(family, 1), ret(ALLOW)]),
    ret(ERRNO | EAFNOSUPPORT),
    ret(ALLOW),
  ]);
}

function instruction(code: number, whenTrue: number, whenFalse: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(whenTrue, 2);
  bytes.writeUInt8(whenFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}
