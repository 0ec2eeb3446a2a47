import { type DebianBase, baseFolder } from './debian-base.ts';
import type { Sandbox } from './sandbox.ts';

const DIR = '/usr/local/bin';

/** The Debian folder with Prometheus and promtool; static programs, so they run on nodes of every suite. */
export async function prometheusFolder(log?: (line: string) => void): Promise<DebianBase> {
  return await baseFolder({ name: 'trixie-prometheus', suite: 'trixie', packages: ['prometheus'] }, log);
}

/** Puts `prometheus` and `promtool` into a node's PATH. */
export async function installPrometheus(node: Sandbox): Promise<void> {
  const { dir } = await prometheusFolder();
  for (const program of ['prometheus', 'promtool'])
    await node.copyIn(`${dir}/usr/bin/${program}`, `${DIR}/${program}`);
}
