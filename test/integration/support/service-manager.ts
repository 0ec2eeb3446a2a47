import { setTimeout as sleep } from 'node:timers/promises';
import { readdir, readFile, rm } from 'node:fs/promises';
import type { Containerd } from '../../sandbox/containerd.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

const REQUESTS = '/run/test-systemd';
const OWN = 'nix-snapshotter.service';

/** `systemctl` as far as scripts of ours call it: a restart, or an end, is asked for and waited for; units are files. */
const SYSTEMCTL = `#!/bin/sh
set -eu
echo "$*" >> ${REQUESTS}/calls
case $1 in
start | restart | disable) ;;
enable | daemon-reload) exit ;;
*) exit 1 ;;
esac
request=$(mktemp ${REQUESTS}/draft.XXXXXX)
echo "$*" > "$request"
mv "$request" "$request.request"
while [ -e "$request.request" ]; do sleep 0.1; done
`;

/** Stands in for systemd, which the test bed has not: it runs what the unit on the node says, and restarts containerd. */
export class ServiceManager {
  readonly #node: Sandbox;
  readonly #containerd: Containerd;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #others: Readonly<Record<string, () => Promise<void>>>;
  readonly #end = new AbortController();
  #daemon: SandboxProcess | undefined;
  #served: Promise<void> | undefined;

  constructor(deps: {
    readonly node: Sandbox;
    readonly containerd: Containerd;
    readonly environment: Readonly<Record<string, string>>;
    /** Starts of further units, by their names. */
    readonly others?: Readonly<Record<string, () => Promise<void>>>;
  }) {
    this.#node = deps.node;
    this.#containerd = deps.containerd;
    this.#environment = deps.environment;
    this.#others = deps.others ?? {};
  }

  async start(): Promise<void> {
    await this.#node.exec(['mkdir', REQUESTS]);
    await this.#node.writeFile('/usr/local/bin/systemctl', SYSTEMCTL, 0o755);
    this.#served = this.#serve();
  }

  /** The process of the unit; undefined before its first start. */
  get daemon(): SandboxProcess | undefined {
    return this.#daemon;
  }

  /** All calls since the last one, in order. */
  async calls(): Promise<readonly string[]> {
    const calls = await this.#node.readFile(`${REQUESTS}/calls`).catch(() => '');
    await this.#node.writeFile(`${REQUESTS}/calls`, '');
    return calls.split('\n').filter(Boolean);
  }

  /** @throws whatever a restart did. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#served;
    await this.#daemon?.stop();
  }

  async #serve(): Promise<void> {
    const requests = this.#node.hostPath(REQUESTS);
    while (!this.#end.signal.aborted) {
      const names = (await readdir(requests)).filter((name) => name.endsWith('.request'));
      for (const name of names) {
        await this.#obey((await readFile(`${requests}/${name}`, 'utf8')).trim());
        await rm(`${requests}/${name}`);
      }
      await sleep(50);
    }
  }

  async #obey(call: string): Promise<void> {
    if (call.includes('containerd.service')) return await this.#containerd.restart();
    const other = Object.entries(this.#others).find(([unit]) => call.includes(unit));
    if (other !== undefined) return await other[1]();
    await this.#daemon?.stop();
    this.#daemon = undefined;
    if (!call.startsWith('restart')) return;
    const unit = await this.#node.readFile(`/etc/systemd/system/${OWN}`);
    const command = /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? [];
    this.#daemon = this.#node.spawn('unit', command, this.#environment);
  }
}
