import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { findProgram } from '../host/find-program.ts';

/** What decides whether a user of this host can run containers without root. */
export interface RootlessFacts {
  readonly user: { readonly id: number; readonly name: string };
  /** Of newuidmap, newgidmap and rootlesskit, those that are not in PATH. */
  readonly missingPrograms: readonly string[];
  /** How many ids the user may map besides the own one. */
  readonly subordinate: { readonly users: number; readonly groups: number };
  /** The user's runtime directory; undefined when there is none that can be written. */
  readonly runtimeDirectory: string | undefined;
  /** Whether the user's services outlive the last session; undefined without systemd's logind. */
  readonly lingers: boolean | undefined;
  /** Kernel settings that this kernel has, by their names for sysctl(8). */
  readonly settings: ReadonlyMap<string, string>;
  /** Whether slirp4netns can have its device. */
  readonly hasTun: boolean;
  /** Whether an AppArmor profile is named after rootlesskit. */
  readonly hasProfile: boolean;
}

const PROGRAMS = ['newuidmap', 'newgidmap', 'rootlesskit'];
const SETTINGS = [
  'user.max_user_namespaces',
  'kernel.unprivileged_userns_clone',
  'kernel.apparmor_restrict_unprivileged_userns',
];
/** Ubuntu's profile, and the one that rootlesskit itself prints for another place. */
const PROFILES = ['rootlesskit', 'usr.bin.rootlesskit', 'usr.local.bin.rootlesskit'];

/** Looks at this host, as the user who runs this process. */
export function readRootlessFacts(env: NodeJS.ProcessEnv): RootlessFacts {
  const { id, name } = whoRuns();
  const runtimeDirectory = env['XDG_RUNTIME_DIR'];
  return {
    user: { id, name },
    missingPrograms: PROGRAMS.filter((program) => findProgram(program, env) === undefined),
    subordinate: {
      users: subordinateIds(textOf('/etc/subuid') ?? '', { id, name }),
      groups: subordinateIds(textOf('/etc/subgid') ?? '', { id, name }),
    },
    runtimeDirectory:
      runtimeDirectory !== undefined && may(runtimeDirectory, constants.W_OK) ? runtimeDirectory : undefined,
    lingers: existsSync('/run/systemd/seats') ? existsSync(`/var/lib/systemd/linger/${name}`) : undefined,
    settings: new Map(
      SETTINGS.flatMap((setting) => {
        const value = textOf(`/proc/sys/${setting.replaceAll('.', '/')}`);
        return value === undefined ? [] : [[setting, value.trim()] as const];
      }),
    ),
    hasTun: may('/dev/net/tun', constants.R_OK | constants.W_OK),
    hasProfile: PROFILES.some((profile) => existsSync(`/etc/apparmor.d/${profile}`)),
  };
}

/** This process's user; one without a name is called by the id. */
function whoRuns(): RootlessFacts['user'] {
  try {
    const { uid: id, username: name } = userInfo();
    return { id, name };
  } catch {
    const id = process.getuid?.() ?? 0;
    return { id, name: String(id) };
  }
}

/** How many ids `/etc/subuid` or `/etc/subgid` gives a user. Source: subuid(5). */
export function subordinateIds(text: string, { id, name }: RootlessFacts['user']): number {
  let count = 0;
  for (const line of text.split('\n')) {
    const [owner, first, length] = line.split(':');
    if ((owner === name || owner === String(id)) && first !== undefined && /^\d+$/.test(length ?? ''))
      count += Number(length);
  }
  return count;
}

function may(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
