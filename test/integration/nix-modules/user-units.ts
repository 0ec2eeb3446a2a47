import { stringify, type TomlTable } from 'smol-toml';
import { inside } from '../../sandbox/layout.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import type { ExecOptions, ExecResult, Sandbox } from '../../sandbox/sandbox.ts';

/** What Home Manager gives of a user: test/nix/home-node.nix. */
export interface HomeNode {
  readonly failed: readonly string[];
  readonly units: Readonly<
    Record<string, { readonly Service: Readonly<Record<string, string | readonly string[]>> }>
  >;
  readonly scripts: readonly { readonly path: string; readonly text: string }[];
  readonly settings: readonly { readonly path: string; readonly value: TomlTable }[];
  readonly program: string;
  readonly image: string;
}

const ID = '1000';
/** Neither on an overlay nor on memory: layers lie here. */
const HOME = '/tmp/alice';
const RUNTIME = `/run/user/${ID}`;
const AS_USER = ['setpriv', `--reuid=${ID}`, `--regid=${ID}`, '--init-groups'];

/** A user whose units run as they are: what they name lies where they say, made of the node's own programs. */
export class UserUnits {
  readonly #node: Sandbox;
  readonly #home: HomeNode;
  /** Where nerdctl is. */
  readonly #tools: string;

  constructor(deps: { readonly node: Sandbox; readonly home: HomeNode; readonly tools: string }) {
    this.#node = deps.node;
    this.#home = deps.home;
    this.#tools = deps.tools;
  }

  /** Makes the user, as a session of systemd's logind has one, and every file of the units; `image` becomes the one to load. */
  async install(image: string): Promise<void> {
    const { scripts, settings, program, image: place } = this.#home;
    await this.#node.sh(`
      useradd --uid ${ID} --home-dir ${HOME} --create-home alice
      install -d -o ${ID} -g ${ID} -m 700 ${RUNTIME}
      mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200
      cp ${image} ${place}`);
    for (const { path, text } of scripts) await this.#node.writeFile(path, `#!/bin/bash\n${text}`, 0o755);
    for (const { path, value } of settings) await this.#node.writeFile(path, stringify(value));
    for (const name of ['nix-snapshotter', 'nix2container']) {
      const command = `exec /usr/local/bin/node ${inside.project}/dist/${name}.mjs "$@"`;
      await this.#node.writeFile(`${program}/bin/${name}`, `#!/bin/sh\n${command}\n`, 0o755);
    }
  }

  /** Starts a unit's program, as systemd would. */
  start(name: string): SandboxProcess {
    return this.#node.spawn(name, this.#command(name, 'ExecStart'), BASICS);
  }

  /** Runs a unit's program to its end. */
  async run(name: string, which: 'ExecStart' | 'ExecStop' = 'ExecStart'): Promise<string> {
    return (await this.#node.exec(this.#command(name, which), { env: BASICS })).stdout;
  }

  /** Runs a command as the user's login shell does. */
  async login(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const path = `PATH=${this.#tools}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
    return await this.#node.exec([...AS_USER, 'env', path, ...command], { ...options, env: BASICS });
  }

  #service(name: string): Readonly<Record<string, string | readonly string[]>> {
    const unit = this.#home.units[name];
    if (unit === undefined) throw new Error(`Home Manager gives no unit ${name}`);
    return unit.Service;
  }

  #command(name: string, which: string): readonly string[] {
    const { Environment = [], [which]: command } = this.#service(name);
    return [...AS_USER, 'env', ...[Environment].flat(), ...String(command).split(' ')];
  }
}

const BASICS = { HOME, USER: 'alice', XDG_RUNTIME_DIR: RUNTIME } as const;
