import { execa } from 'execa';
import { mkdir } from 'node:fs/promises';
import { adminPath } from './admin-path.ts';
import { baseFolder } from './debian-base.ts';
import { goDir, testbedRoot } from './layout.ts';

/** containerd 2.4 needs at least this. */
const MINIMUM = [1, 26, 6] as const;
/** What Debian's older Go fetches as a module and runs in its own place. */
const FETCHED = 'go1.26.8';

export interface GoCommand {
  /** The command on the host that runs `go ARGS`. */
  wrap(args: readonly string[]): [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** The machine's Go if it is new enough, else Debian trixie's with a pinned toolchain. */
export async function goCommand(log: (line: string) => void = () => {}): Promise<GoCommand> {
  const found = await execa('go', ['env', 'GOVERSION'], { reject: false, env: { GOTOOLCHAIN: 'local' } });
  if (found.exitCode === 0 && isNewEnough(found.stdout ?? '')) {
    return { wrap: (args) => ['go', ...args], env: { GOTOOLCHAIN: 'local' } };
  }
  return await debianGo(log);
}

/** Whether a version as `go env GOVERSION` prints it is new enough. */
export function isNewEnough(version: string): boolean {
  const match = /^go(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  if (match === null) return false;
  const parts = [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
  for (const [index, least] of MINIMUM.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

/**
 * Go runs in a Debian folder of its own, with the host's network, certificates and test-bed folder;
 * the paths of the test bed and the checkout are the same inside and outside.
 */
async function debianGo(log: (line: string) => void): Promise<GoCommand> {
  const base = await baseFolder(
    { name: 'go', suite: 'trixie', packages: ['ca-certificates', 'golang-go'] },
    log,
  );
  await mkdir(`${goDir}/cache`, { recursive: true });
  return {
    wrap: (args) => ['unshare', '--mount', 'sh', '-euc', ENTER, 'sh', base.dir, testbedRoot, ...args],
    env: {
      ...adminPath(),
      GOTOOLCHAIN: FETCHED,
      GOPATH: `${goDir}/path`,
      GOCACHE: `${goDir}/cache`,
      GOFLAGS: '-modcacherw',
    },
  };
}

/** Arguments: base folder, test-bed folder, arguments of go. The working directory is one of the checkout's. */
const ENTER = `
base=$1 testbed=$2 module=$PWD; shift 2
mount -t tmpfs tmpfs "$base/tmp"
root=$base/tmp/root
mkdir -p "$base/tmp/upper" "$base/tmp/work" "$root"
mount -t overlay -o "lowerdir=$base,upperdir=$base/tmp/upper,workdir=$base/tmp/work" go "$root"
mkdir -p "$root$testbed" "$root$module"
mount --bind "$testbed" "$root$testbed"
mount --bind "$module" "$root$module"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cat /etc/resolv.conf > "$root/etc/resolv.conf"
cat /etc/hosts > "$root/etc/hosts"
mkdir -p "$root/etc/ssl/certs"
[ ! -d /etc/ssl/certs ] || mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
exec chroot "$root" sh -euc 'cd "$1"; shift; exec go "$@"' sh "$module" "$@"`;
