import { readFileSync } from 'node:fs';

/** Why no sandbox can be made on this machine; undefined when one can. */
export function sandboxUnavailable(): string | undefined {
  const reason = whyNot();
  // In CI a skipped suite would pass for a tested one.
  if (reason !== undefined && process.env['CI']) throw new Error(`CI needs a sandbox: ${reason}`);
  return reason;
}

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'sandboxes need Linux';
  if (process.geteuid?.() !== 0) return 'sandboxes need root';
  const capabilities = /^CapEff:\s+(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  // capabilities(7): bit 21 is CAP_SYS_ADMIN.
  if ((BigInt(`0x${capabilities}`) & (1n << 21n)) === 0n) return 'sandboxes need CAP_SYS_ADMIN';
  return undefined;
}
