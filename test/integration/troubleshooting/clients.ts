import assert from 'node:assert/strict';
import type { ExecResult } from '../../sandbox/sandbox.ts';
import { HOSTS_DIR } from '../support/resolver-hosts.ts';
import type { Rig } from '../support/rig.ts';

/** What a client shows a person of a pull that failed. */
export interface Refusal {
  readonly client: string;
  readonly text: string;
}

/** What people ask for images, and what tells them when there is none. */
export interface Clients {
  /** Each pulls a path, which must fail. */
  refusals(path: string): AsyncIterable<Refusal>;
  /** What a container of a path prints, which is pulled. */
  run(path: string): Promise<string>;
}

const COMMANDS = ['ctr', 'nerdctl', 'crictl'] as const;
const FLAGS = ['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix'];

/** The command lines of containerd. */
export class CommandLines implements Clients {
  readonly #containerd: Rig['containerd'];

  constructor({ containerd }: Pick<Rig, 'containerd'>) {
    this.#containerd = containerd;
  }

  async pull(command: (typeof COMMANDS)[number], path: string): Promise<ExecResult> {
    const image = `nix:0${path}:latest`;
    const options = { reject: false };
    switch (command) {
      case 'ctr':
        return await this.#containerd.ctr(['image', 'pull', ...FLAGS, image], options);
      case 'nerdctl':
        return await this.#containerd.nerdctl([...FLAGS, 'pull', image], options);
      case 'crictl':
        return await this.#containerd.crictl(['pull', image], options);
    }
  }

  async *refusals(path: string): AsyncGenerator<Refusal> {
    for (const client of COMMANDS) {
      const { exitCode, stderr } = await this.pull(client, path);
      assert.notEqual(exitCode, 0, client);
      yield { client, text: stderr };
    }
  }

  async run(path: string): Promise<string> {
    const run = ['run', '--rm', '--net', 'none', `nix:0${path}`];
    return (await this.#containerd.nerdctl([...FLAGS, ...run])).stdout;
  }
}
