import type { SandboxProcess } from '../../sandbox/process.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { registryFolder } from '../nix2container/registry-tools.ts';
import { waitFor } from '../../sandbox/wait-for.ts';

const ADDRESS = '127.0.0.1:5000';
const PROGRAM = '/usr/local/bin/docker-registry';
const CONFIG = '/etc/docker-registry.json';

/** A login, and what a registry keeps of it. */
export const LOGIN = { username: 'user-1', password: 'secret-1' } as const;
const HTPASSWD_FILE = '/etc/docker-registry.htpasswd';
const HTPASSWD = `${LOGIN.username}:$2b$05$abcdefghijklmnopqrstuuNyfD1e6TuAxhlZIeKrqXUCJ7D8jeA.m\n`;

/** Debian's docker-registry on a sandbox's loopback, plain HTTP. */
export interface Registry {
  /** `host:port`, the first part of its image names. */
  readonly address: string;
  readonly process: SandboxProcess;
}

/** Starts a registry inside a sandbox and waits until it accepts connections; it may ask for {@link LOGIN}. */
export async function startRegistry(
  node: Sandbox,
  { login = false }: { readonly login?: boolean } = {},
): Promise<Registry> {
  const { dir } = await registryFolder('trixie');
  await node.copyIn(`${dir}/usr/bin/docker-registry`, PROGRAM);
  await node.writeFile(
    CONFIG,
    JSON.stringify({
      version: '0.1',
      storage: { filesystem: { rootdirectory: '/var/lib/docker-registry' } },
      http: { addr: ADDRESS },
      ...(login ? { auth: { htpasswd: { realm: 'tests', path: HTPASSWD_FILE } } } : {}),
    }),
  );
  await node.writeFile(HTPASSWD_FILE, HTPASSWD);
  const server = node.spawn('registry', [PROGRAM, 'serve', CONFIG]);
  const user = login ? `${LOGIN.username}:${LOGIN.password}@` : '';
  const ask = ['busybox', 'wget', '-q', '-O', '-', `http://${user}${ADDRESS}/v2/`];
  await waitFor(server, async () => (await node.exec(ask, { reject: false })).exitCode === 0);
  return { address: ADDRESS, process: server };
}
