import {
  type Containerd,
  type ContainerdOptions,
  SNAPSHOTTER_SOCKET,
  startContainerd,
} from '../../../test/sandbox/containerd.ts';
import { inside } from '../../../test/sandbox/layout.ts';
import type { Sandbox } from '../../../test/sandbox/sandbox.ts';
import { KEEP_NOTHING, type Snapshotter, startSnapshotter } from '../../../test/sandbox/snapshotter.ts';
import type { Report } from '../report.ts';
import { PROGRAMS } from './bundle.ts';

/** What runs on a node, and what differs between nodes. */
export interface ServiceOptions extends Omit<ContainerdOptions, 'snapshotterSocket'> {
  /** Text of the daemon's configuration file, without the table `gc`: nothing is kept after its last use. */
  readonly config?: string;
}

export interface Services {
  readonly snapshotter: Snapshotter;
  readonly containerd: Containerd;
}

/** Puts both programs into the node's PATH and starts the daemon, then containerd with it as snapshotter `nix`. */
export async function startServices(
  node: Sandbox,
  report: Report,
  { config = '', ...options }: ServiceOptions = { version: 'debian' },
): Promise<Services> {
  for (const name of PROGRAMS) {
    const script = `#!/bin/sh\nexec node ${inside.project}/dist/${name}.mjs "$@"\n`;
    await node.writeFile(`/usr/local/bin/${name}`, script, 0o755);
  }
  const snapshotter = await report.timed('nix-snapshotter, ready on its socket', async () => {
    return await startSnapshotter(node, { logLevel: 'info', config: `${config}${KEEP_NOTHING}` });
  });
  const containerd = await report.timed('containerd, with nix-snapshotter as a proxy plugin', async () => {
    return await startContainerd(node, { ...options, snapshotterSocket: SNAPSHOTTER_SOCKET });
  });
  return { snapshotter, containerd };
}

/** The node and its programs, with their versions. */
export function describeNode(node: Sandbox, containerd: Containerd): string {
  const version = (name: string): string => /^(?:\d+:)?([\d.]+)/.exec(node.versions[name] ?? '')?.[1] ?? '?';
  return (
    `Node ${node.id}: Debian with containerd ${containerd.version}, runc ${version('runc')} and Nix ` +
    `${version('nix-bin')}, in namespaces of its own. Nothing on this machine is changed.`
  );
}
