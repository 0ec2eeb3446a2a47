import { readFile } from 'node:fs/promises';
import { busyboxEntries } from '../../fixtures/images.ts';
import { type LayerEntry, ociArchive } from '../../fixtures/oci-archive.ts';
import { PAUSE_IMAGE } from '../../sandbox/containerd-config.ts';
import { ensureTool } from '../../sandbox/go-tools.ts';
import { inside } from '../../sandbox/layout.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

/** What an image adds to the small root file system that all of them have, and runs. */
interface StandIn {
  readonly files?: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Images that critest lets one choose (`--test-images-file`). */
export const CHOSEN = { container: 'critest/busybox:1', webServer: 'critest/web:1' } as const;

const page = (text: string): Readonly<Record<string, string>> => ({ 'www/index.html': text });
const serve = (port: number): StandIn['config'] => ({
  Cmd: ['httpd', '-f', '-p', String(port), '-h', '/www'],
});
const asUser = (user: string): StandIn => ({ config: { Cmd: ['sh'], User: user } });
const marked = (name: string): StandIn => ({ files: { [name]: '' }, config: { Cmd: ['sh'] } });
const CRI_TOOLS = 'k8s-staging-cri-tools/test-image';

/** By name in the registry; names and what is in them: cri-tools `pkg/validate`. */
const STAND_INS: Readonly<Record<string, StandIn>> = {
  [CHOSEN.container]: { config: { Cmd: ['sh'] } },
  [CHOSEN.webServer]: { files: page('hello'), config: serve(80) },
  'pause:3.9': { config: { Entrypoint: ['sleep', '100000'] } },
  ...Object.fromEntries(['1', '2', '3'].map((n) => [`${CRI_TOOLS}-${n}:latest`, marked(`different-${n}`)])),
  ...Object.fromEntries(['1', '2', '3'].map((n) => [`${CRI_TOOLS}-tags:${n}`, marked('same')])),
  [`${CRI_TOOLS}-latest:latest`]: marked('latest'),
  [`${CRI_TOOLS}-tag:test`]: marked('tag'),
  [`${CRI_TOOLS}-tag:all`]: marked('all'),
  [`${CRI_TOOLS}-user-uid:latest`]: asUser('1002'),
  [`${CRI_TOOLS}-user-username:latest`]: asUser('www-data'),
  [`${CRI_TOOLS}-user-uid-group:latest`]: asUser('1003:users'),
  [`${CRI_TOOLS}-user-username-group:latest`]: asUser('www-data:100'),
  [`${CRI_TOOLS}-predefined-group:latest`]: asUser('1000'),
  'k8s-staging-cri-tools/hostnet-nginx-amd64:latest': { files: page('hello'), config: serve(12_003) },
  'e2e-test-images/httpd:2.4.39-4': {
    files: page('<html><body><h1>It works!</h1></body></html>'),
    config: { Cmd: ['httpd-log'] },
  },
  'e2e-test-images/nginx:1.14-2': { files: page('hello'), config: { Cmd: ['nginx', 'master process'] } },
  'e2e-test-images/nonewprivs:1.3': { config: { Entrypoint: ['/nnp'] } },
};

/** Programs that the images have and busybox has not, or that behave as theirs do. */
const SCRIPTS: Readonly<Record<string, string>> = {
  pgrep: `exec 2> /dev/null
[ "$1" = -f ] && shift
for p in /proc/[0-9]*; do q=\${p#/proc/}; [ $q = $$ ] && continue
tr '\\0' ' ' < $p/cmdline | grep -q -- "$1" && ! grep -q pgrep $p/cmdline && echo $q; done
true`,
  ipcs: `awk 'NR > 1 { k = $1; if (k < 0) k += 4294967296; printf "0x%08x %d\\n", k, $2 }' /proc/sysvipc/shm`,
  nginx: 'echo $$ > /var/run/nginx.pid; httpd -f -p ${PORT:-80} -h /www & wait',
  'httpd-log': 'echo "httpd: resuming normal operations"; exec httpd -f -p 80 -h /www',
};
const PASSWD = `root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
default-user:x:1000:1000::/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`;
const GROUP = `root:x:0:
www-data:x:33:
users:x:100:
default-user:x:1000:
group-defined-in-image:x:50000:default-user
`;

/** Pushes images of Debian's busybox, under the names that critest pulls, to a registry on the node's loopback. */
export async function pushStandIns(node: Sandbox, registry: string): Promise<void> {
  const common = await commonEntries(node);
  for (const [name, { files = {}, config }] of Object.entries(STAND_INS)) {
    const own = Object.entries(files).map(([path, content]): LayerEntry => ({ path, content }));
    const image = `${registry}/${name}`;
    const archive = '/tmp/images/stand-in.tar';
    await node.writeFile(
      archive,
      await ociArchive({
        name: image,
        layers: [{ entries: common }, ...(own.length > 0 ? [{ entries: own }] : [])],
        config: { Env: ['PATH=/usr/bin:/bin'], ...config },
      }),
    );
    await node.exec(['node', `${inside.project}/dist/nix2container.mjs`, 'push', archive, image]);
  }
}

/** The image of pods' pause containers: without a process called `sleep`, which tests look for in a pod. Returns its archive inside. */
export async function pauseStandIn(node: Sandbox): Promise<string> {
  const archive = '/tmp/images/pause-stand-in.tar';
  const Entrypoint = ['sh', '-c', 'trap "exit 0" TERM INT; tail -f /dev/null & wait'];
  const layers = [{ entries: await busyboxEntries(node) }];
  await node.writeFile(archive, await ociArchive({ name: PAUSE_IMAGE, layers, config: { Entrypoint } }));
  return archive;
}

async function commonEntries(node: Sandbox): Promise<readonly LayerEntry[]> {
  const tool = await ensureTool('critest');
  const privileged = await readFile(node.hostPath(`${inside.tools}/${tool}/nonewprivs`));
  const replaced = new Set(['etc/passwd', 'etc/group', ...Object.keys(SCRIPTS).map((name) => `bin/${name}`)]);
  const directories = ['usr', 'usr/bin', 'var/run', 'var/www', 'www'];
  return [
    ...(await busyboxEntries(node)).filter(({ path }) => !replaced.has(path)),
    ...directories.map((path): LayerEntry => ({ path, type: 'directory' })),
    { path: 'etc/passwd', content: PASSWD },
    { path: 'etc/group', content: GROUP },
    ...Object.entries(SCRIPTS).map(
      ([name, text]): LayerEntry => ({
        path: `usr/bin/${name}`,
        mode: 0o755,
        content: `#!/bin/sh\n${text}\n`,
      }),
    ),
    { path: 'nnp', mode: 0o4755, content: privileged },
  ];
}
