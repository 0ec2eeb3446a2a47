import { copyFile, mkdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { execa } from 'execa';
import { baseFolder, type Suite } from '../../sandbox/debian-base.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { waitFor } from '../../sandbox/wait-for.ts';

/** Where the programs and their libraries lie inside. */
const DIR = '/opt/registry-tools';
const ENV = { LD_LIBRARY_PATH: `${DIR}/lib` };
const REGISTRY_CONFIG = `version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: 127.0.0.1:5000
`;

export const REGISTRY = '127.0.0.1:5000';

/** The Debian folder with the registry and skopeo. */
export function registryFolder(suite: Suite): ReturnType<typeof baseFolder> {
  return baseFolder({ name: `${suite}-registry-tools`, suite, packages: ['docker-registry', 'skopeo'] });
}

/** Puts Debian's registry and skopeo, with the libraries they need, into a node of the same suite. */
export async function installRegistryTools(node: Sandbox): Promise<void> {
  const base = await registryFolder(node.suite);
  const programs = ['/usr/bin/docker-registry', '/usr/bin/skopeo'];
  const { stdout } = await execa('/usr/sbin/chroot', [base.dir, 'ldd', ...programs]);
  const libraries = [...new Set(stdout.match(/\/(?:usr\/)?lib\/\S+\.so\S*/g))];
  for (const [folder, files] of [
    ['bin', programs],
    ['lib', libraries],
  ] as const) {
    await mkdir(node.hostPath(`${DIR}/${folder}`), { recursive: true });
    for (const file of files)
      await copyFile(base.dir + file, node.hostPath(`${DIR}/${folder}/${basename(file)}`));
  }
  await node.writeFile('/etc/containers/policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}');
}

/** Starts the registry on the node's loopback and waits until it answers. */
export async function startRegistry(node: Sandbox): Promise<SandboxProcess> {
  await node.writeFile('/etc/registry.yml', REGISTRY_CONFIG);
  const process = node.spawn('registry', [`${DIR}/bin/docker-registry`, 'serve', '/etc/registry.yml'], ENV);
  await waitFor(process, async () => {
    const probe = ['busybox', 'wget', '-q', '-O', '/dev/null', `http://${REGISTRY}/v2/`];
    return (await node.exec(probe, { reject: false })).exitCode === 0;
  });
  return process;
}

export async function skopeo(node: Sandbox, args: readonly string[]): Promise<string> {
  return (await node.exec([`${DIR}/bin/skopeo`, ...args], { env: ENV })).stdout;
}
