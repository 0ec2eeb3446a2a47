import { type Platform, platform } from './platform.ts';

/** `e_machine` numbers of the System V ABI's ELF header, by the little-endian and big-endian architecture. */
const MACHINES: ReadonlyMap<number, { readonly le?: string; readonly be?: string }> = new Map([
  [3, { le: '386' }],
  [8, { le: 'mipsle', be: 'mips' }],
  [20, { be: 'ppc' }],
  [21, { le: 'ppc64le', be: 'ppc64' }],
  [22, { be: 's390x' }],
  [40, { le: 'arm' }],
  [62, { le: 'amd64' }],
  [183, { le: 'arm64', be: 'arm64be' }],
  [243, { le: 'riscv64' }],
  [258, { le: 'loong64' }],
]);

/** The Linux platform of a program from the first 20 bytes of its file; undefined when it is no known ELF file. */
export function platformOfElf(head: Buffer): Platform | undefined {
  if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const bigEndian = head[5] === 2;
  const machine = MACHINES.get(bigEndian ? head.readUInt16BE(18) : head.readUInt16LE(18));
  const architecture = bigEndian ? machine?.be : machine?.le;
  return architecture === undefined ? undefined : platform('linux', architecture);
}
