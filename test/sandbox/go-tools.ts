import { execa } from 'execa';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { StatusError, errnoOf, messageOf } from '../../src/errors.ts';
import { goCommand } from './go-toolchain.ts';
import { goBinDir, projectRoot } from './layout.ts';
import { withLock } from './lock.ts';

/** A set of programs from one pinned Go module; `test/tools/<name>` pins it. */
interface GoTool {
  readonly module: string;
  readonly version: string;
  /** Below the module, or with `./` below `test/tools/<name>`. */
  readonly programs: readonly string[];
  /** Scripts of the module, which lie beside the programs. */
  readonly scripts?: readonly string[];
  /** Programs that Go makes of a package's tests. */
  readonly testPrograms?: readonly string[];
  /** Variables that the programs take their version from. */
  readonly versionVariables: readonly string[];
  /** Variables of other modules that its programs say what they are by, with their values. */
  readonly variables?: Readonly<Record<string, string>>;
}

const CONTAINERD = 'github.com/containerd/containerd/v2';
const NERDCTL = 'github.com/containerd/nerdctl/v2';
const CRI_TOOLS = 'sigs.k8s.io/cri-tools';
const NIX_SNAPSHOTTER = 'github.com/pdtpartners/nix-snapshotter';
const KUBERNETES_VERSION = 'k8s.io/component-base/version';

const containerd = (version: string): GoTool => ({
  module: CONTAINERD,
  version,
  programs: ['cmd/containerd', 'cmd/ctr', 'cmd/containerd-shim-runc-v2'],
  versionVariables: ['version.Version'],
});

export const GO_TOOLS = {
  'containerd-2.2': containerd('v2.2.9'),
  'containerd-2.3': containerd('v2.3.7'),
  'containerd-2.4': containerd('v2.4.2'),
  nerdctl: {
    module: NERDCTL,
    version: 'v2.3.5',
    programs: ['cmd/nerdctl'],
    scripts: ['extras/rootless/containerd-rootless.sh', 'extras/rootless/containerd-rootless-setuptool.sh'],
    versionVariables: ['pkg/version.Version'],
  },
  crictl: {
    module: CRI_TOOLS,
    version: 'v1.36.0',
    programs: ['cmd/crictl'],
    versionVariables: ['pkg/version.Version'],
  },
  critest: {
    module: CRI_TOOLS,
    version: 'v1.36.0',
    programs: ['./nonewprivs'],
    testPrograms: ['cmd/critest'],
    versionVariables: ['pkg/version.Version'],
  },
  buildkit: {
    module: 'github.com/moby/buildkit',
    version: 'v0.33.1',
    programs: ['cmd/buildkitd', 'cmd/buildctl'],
    versionVariables: ['version.Version'],
  },
  nix2container: {
    module: NIX_SNAPSHOTTER,
    version: 'v0.4.0',
    programs: ['cmd/nix2container'],
    versionVariables: [],
  },
  kubernetes: {
    module: 'k8s.io/kubernetes',
    version: 'v1.36.3',
    programs: [
      'cmd/kubelet',
      'cmd/kube-apiserver',
      'cmd/kube-controller-manager',
      'cmd/kube-scheduler',
      'cmd/kubectl',
    ],
    versionVariables: [],
    variables: {
      [`${KUBERNETES_VERSION}.gitVersion`]: 'v1.36.3',
      [`${KUBERNETES_VERSION}.gitMajor`]: '1',
      [`${KUBERNETES_VERSION}.gitMinor`]: '36',
    },
  },
  // Its program is called `server`, as the last part of the module's name.
  etcd: { module: 'go.etcd.io/etcd', version: 'v3.6.16', programs: ['server/v3'], versionVariables: [] },
} as const satisfies Record<string, GoTool>;

export type GoToolName = keyof typeof GO_TOOLS;

/** Counts up when tools built by older code must not be reused. */
const FORMAT = 1;

const ready = new Map<GoToolName, Promise<string>>();

/**
 * The folder (below the tools folder) with a tool's programs, built if it is absent or out of date.
 *
 * @throws StatusError FailedPrecondition when there is no Go, or the build fails; the message names the log file.
 */
export async function ensureTool(name: GoToolName, log: (line: string) => void = () => {}): Promise<string> {
  const known = ready.get(name);
  if (known !== undefined) return await known;
  const building = withLock(`go-${name}`, async () => await buildOnce(name, log));
  ready.set(name, building);
  // A failure is not remembered: the next caller tries again.
  building.catch(() => ready.delete(name));
  return await building;
}

async function buildOnce(name: GoToolName, log: (line: string) => void): Promise<string> {
  const { version } = GO_TOOLS[name];
  const folder = `${name}-${version.slice(1)}`;
  const dir = `${goBinDir}/${folder}`;
  await mkdir(goBinDir, { recursive: true });
  const stamp = await stampOf(name);
  if ((await readIfThere(`${dir}/.stamp`)) === stamp) return folder;
  for (const left of await readdir(goBinDir)) {
    if (left === folder || left === `${folder}.tmp`) await rm(`${goBinDir}/${left}`, { recursive: true });
  }
  await build(name, `${dir}.tmp`, log);
  await writeFile(`${dir}.tmp/.stamp`, stamp);
  await rename(`${dir}.tmp`, dir);
  return folder;
}

async function build(name: GoToolName, output: string, log: (line: string) => void): Promise<void> {
  const {
    module,
    version,
    programs,
    versionVariables,
    variables = {},
    testPrograms = [],
    scripts = [],
  }: GoTool = GO_TOOLS[name];
  const logFile = `${goBinDir}/../${name}.log`;
  await mkdir(output, { recursive: true });
  log(`building ${name} ${version} from Go modules (once)`);
  const own = versionVariables.map((variable) => `-X ${module}/${variable}=${version}`);
  const others = Object.entries(variables).map(([variable, value]) => `-X ${variable}=${value}`);
  const ldflags = ['-s', '-w', ...own, ...others];
  const go = await goCommand(log);
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags', ldflags.join(' '), '-o'];
  const packages = programs.map((program) => (program.startsWith('./') ? program : `${module}/${program}`));
  const commands = testPrograms.map((program) => [
    'test',
    '-c',
    ...flags,
    `${output}/${basename(program)}`,
    `${module}/${program}`,
  ]);
  if (packages.length > 0) commands.push(['build', ...flags, `${output}/`, ...packages]);
  const run = async (command: readonly string[]) => {
    const [file, ...args] = go.wrap(command);
    return await execa('setpriv', ['--pdeathsig', 'KILL', file, ...args], {
      cwd: `${projectRoot}/test/tools/${name}`,
      env: { ...go.env, CGO_ENABLED: '0' },
      stdin: 'ignore',
      all: true,
    });
  };
  try {
    for (const command of commands) await writeFile(logFile, (await run(command)).all);
    for (const script of scripts) {
      const { stdout: dir } = await run(['list', '-m', '-f', '{{.Dir}}', module]);
      await copyFile(`${dir}/${script}`, `${output}/${basename(script)}`);
      await chmod(`${output}/${basename(script)}`, 0o755);
    }
  } catch (error) {
    await writeFile(logFile, messageOf(error));
    throw new StatusError(
      'FailedPrecondition',
      `cannot build ${name} ${version} (see ${logFile}): ${messageOf(error).slice(-600)}`,
      { cause: error },
    );
  }
}

async function stampOf(name: GoToolName): Promise<string> {
  const dir = `${projectRoot}/test/tools/${name}`;
  const hash = createHash('sha256').update(JSON.stringify([FORMAT, GO_TOOLS[name]]));
  for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(`${dir}/${file}`));
  return hash.digest('hex');
}

async function readIfThere(file: string): Promise<string | undefined> {
  if (!existsSync(file)) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
