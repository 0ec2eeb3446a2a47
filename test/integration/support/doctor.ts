import { inside } from '../../sandbox/layout.ts';
import type { Finding } from '../../../src/doctor/finding.ts';
import type { SetupNode } from './setup.ts';

export interface Diagnosis {
  readonly exitCode: number | undefined;
  readonly findings: readonly Finding[];
  /** Ids of what is not as it should be, in the order of the alphabet. */
  readonly troubles: readonly string[];
}

/** Runs `nix-snapshotter doctor --json` on a node. */
export async function doctor({ node, env }: Pick<SetupNode, 'node' | 'env'>): Promise<Diagnosis> {
  const program = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'doctor', '--json'];
  const { stdout, stderr, exitCode } = await node.exec(program, { env, reject: false });
  if (stdout === '') throw new Error(`doctor says nothing: ${stderr}`);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
  const troubles = findings.filter(({ level }) => level !== 'ok').map(({ id }) => id);
  return { exitCode, findings, troubles: troubles.toSorted() };
}
