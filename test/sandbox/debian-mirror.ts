import { execa } from 'execa';
import { StatusError } from '../../src/errors.ts';

const FORMAT = '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)';

/**
 * Address of the Debian archive this machine uses, from apt's own configuration;
 * `NIX_SNAPSHOTTER_DEBIAN_MIRROR` overrides it.
 *
 * @throws StatusError FailedPrecondition when apt knows no Debian archive.
 */
export async function debianMirror(): Promise<string> {
  const override = process.env['NIX_SNAPSHOTTER_DEBIAN_MIRROR'];
  if (override !== undefined && override !== '') return override;
  const found = (await configuredMirror()) ?? (await updateThenAsk());
  if (found !== undefined) return found;
  throw new StatusError(
    'FailedPrecondition',
    'apt on this machine has no source with origin "Debian", component "main": ' +
      'set NIX_SNAPSHOTTER_DEBIAN_MIRROR to the address of a Debian archive',
  );
}

async function updateThenAsk(): Promise<string | undefined> {
  await execa('apt-get', ['update', '-qq']);
  return await configuredMirror();
}

async function configuredMirror(): Promise<string | undefined> {
  const { stdout } = await execa('apt-get', ['indextargets', '--format', FORMAT, 'Created-By: Packages']);
  return parseIndexTargets(stdout);
}

/** The first archive (not the security one) among lines of `origin|label|component|address`. */
export function parseIndexTargets(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [origin, label, component, address] = line.split('|');
    if (origin === 'Debian' && label === 'Debian' && component === 'main' && address) {
      return address.replace(/\/$/, '');
    }
  }
  return undefined;
}

/** apt's `Acquire` settings of this machine (proxies, date checks), as lines of an apt.conf. */
export async function aptAcquireSettings(): Promise<string> {
  const { stdout } = await execa('apt-config', ['dump']);
  return stdout
    .split('\n')
    .filter((line) => /^Acquire::(https?::|Check-|Retries|ForceIPv4)/.test(line) && !line.endsWith(' "";'))
    .map((line) => `${line}\n`)
    .join('');
}

/** Environment for downloads outside apt (debootstrap uses wget): the proxy apt would use. */
export async function proxyEnvironment(): Promise<Record<string, string>> {
  const { stdout } = await execa('apt-config', ['shell', 'proxy', 'Acquire::http::Proxy']);
  const proxy = /^proxy='(.+)'$/m.exec(stdout)?.[1];
  return proxy === undefined || proxy === 'DIRECT' ? {} : { http_proxy: proxy };
}
