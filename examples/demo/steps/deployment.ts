import { expect } from '../expect.ts';
import { count, formatBytes } from '../format.ts';
import { type DownloadMeter, measureClosure } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';

const MANIFEST = '/root/redis.yaml';

/** A Deployment whose one container is what a store path has: the path is its image. */
function manifest(storePath: string): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: redis
spec:
  replicas: 2
  selector:
    matchLabels: {app: redis}
  template:
    metadata:
      labels: {app: redis}
    spec:
      containers:
      - name: redis
        image: nix:0${storePath}
        command: [redis-server, --protected-mode, "no"]
        readinessProbe:
          tcpSocket: {port: 6379}
          periodSeconds: 1
`;
}

/** Applies the Deployment and waits until its pods are ready. */
export async function deployRedis(shell: NodeShell, storePath: string): Promise<void> {
  await shell.node.writeFile(MANIFEST, manifest(storePath));
  await shell.run(['cat', MANIFEST]);
  await shell.run(['kubectl', 'apply', '-f', MANIFEST]);
  await shell.quietly(['kubectl', 'rollout', 'status', 'deployment/redis', '--timeout', '100s']);
  const columns = 'NAME:.metadata.name,PHASE:.status.phase,IP:.status.podIP';
  await shell.run(['kubectl', 'get', 'pods', '-o', `custom-columns=${columns}`]);
}

/** Talks to redis by `kubectl exec`, and from the node to the address of each pod. */
export async function askRedis(shell: NodeShell): Promise<void> {
  const ask = async (command: readonly string[]) => {
    const { stdout } = await shell.run(command);
    expect(stdout === 'PONG', `${command.join(' ')} answered ${JSON.stringify(stdout)}, not PONG`);
  };
  await ask(['kubectl', 'exec', 'deployment/redis', '--', 'redis-cli', 'PING']);
  const addresses = ['kubectl', 'get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}'];
  const { stdout } = await shell.node.exec(addresses);
  for (const address of stdout.split(' ')) await ask(['redis-cli', '-h', address, 'PING']);
}

/** What the kubelet says of its pulls, and what Nix fetched for them. */
export async function explainPull(shell: NodeShell, storePath: string, meter: DownloadMeter): Promise<void> {
  const { report } = shell;
  const events = ['kubectl', 'get', 'events', '--field-selector', 'reason=Pulled'];
  const { stdout } = await shell.run([...events, '-o', 'custom-columns=MESSAGE:.message']);
  expect(stdout.includes('Successfully pulled'), 'the kubelet tells of no pull');
  const { paths, bytes } = await meter.sinceLast();
  const closure = await measureClosure(shell.node, [storePath]);
  expect(paths === closure.paths.length, `${paths} store paths were fetched, not each of the closure once`);
  report.say(
    `Two pods, two pulls, one fetch: Nix got ${count(paths, 'store path')} (${formatBytes(bytes)}) from the binary ` +
      'cache, each of the closure once. Both pods run from the same files, those of the store of the node:',
  );
  const program = ['stat', '-c', 'inode %i, %s bytes', `${storePath}/bin/redis-server`];
  const { stdout: own } = await shell.run(program);
  const { stdout: names } = await shell.node.exec(['kubectl', 'get', 'pods', '-o', 'name']);
  const pid = await shell.node.exec(['pidof', 'redis-server'], { reject: false });
  const servers = pid.stdout.split(' ').filter(Boolean);
  expect(servers.length === names.split('\n').length, `${names} have redis-server processes ${pid.stdout}`);
  for (const server of servers) {
    const seen = await shell.node.exec(['stat', '-L', '-c', 'inode %i, %s bytes', `/proc/${server}/exe`]);
    report.output(`process ${server}: ${seen.stdout}`);
    expect(seen.stdout === own, `process ${server} runs another file`);
  }
}
