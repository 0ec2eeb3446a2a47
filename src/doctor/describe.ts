import { cleanText, printable } from '../printable.ts';
import type { Finding } from './finding.ts';

/** Findings as text for a person, the worst last, where a terminal ends. */
export function describeFindings(findings: readonly Finding[]): string {
  const order = ['ok', 'warning', 'error'];
  const sorted = findings.toSorted((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
  return `${sorted.map(describe).join('')}${summary(findings)}\n`;
}

function describe({ id, level, what, why, fix, commands }: Finding): string {
  const head = `${level.padEnd(8)} ${cleanText(what)} [${id}]\n`;
  if (level === 'ok') return head;
  // A command with something left out would be another one.
  const shown = commands.map((command) => `  # ${printable(command).replaceAll('\n', String.raw`\n`)}`);
  const lines = [`why: ${cleanText(why)}`, `fix: ${cleanText(fix)}`, ...shown];
  return `${head}${lines.map((line) => `         ${line}\n`).join('')}`;
}

function summary(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const [errors, warnings] = [count('error'), count('warning')];
  if (errors + warnings === 0) return 'nothing is wrong here';
  const plural = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  return `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`;
}
