import type { RootlessFacts } from './facts.ts';

/** What hinders containers without root: what it is and what to do, in one line. */
export interface RootlessProblem {
  /** Nothing runs with it; others make something work less well, or only may. */
  readonly isFatal: boolean;
  readonly text: string;
}

/** What images need: ids up to `nobody`. */
const ENOUGH_IDS = 65_536;
const ROOT =
  'this is root: run it as the user whose containers they are; root\'s own daemon is started without "rootless"';
const PACKAGES: Readonly<Record<string, string>> = {
  newuidmap:
    'package uidmap (Debian, Ubuntu) or shadow-utils (Fedora); on NixOS put /run/wrappers/bin into PATH',
  newgidmap:
    'package uidmap (Debian, Ubuntu) or shadow-utils (Fedora); on NixOS put /run/wrappers/bin into PATH',
  rootlesskit: 'package rootlesskit, or nerdctl-full of nerdctl',
};

/** What hinders containers without root on a host, the fatal ones first. */
export function rootlessProblems(facts: RootlessFacts): readonly RootlessProblem[] {
  const { user, subordinate, settings } = facts;
  if (user.id === 0) return [{ isFatal: true, text: ROOT }];
  const fatal: string[] = [];
  const others: string[] = [];
  for (const program of facts.missingPrograms) {
    fatal.push(`${program} is not in PATH: install ${PACKAGES[program] ?? program}`);
  }
  for (const [kind, file, flag] of [
    ['users', '/etc/subuid', '--add-subuids'],
    ['groups', '/etc/subgid', '--add-subgids'],
  ] as const) {
    const count = subordinate[kind];
    if (count >= ENOUGH_IDS) continue;
    const fix = `as root: usermod ${flag} 100000-165535 ${user.name} (a range that no other user has)`;
    const text = `${file} gives ${user.name} ${count} ids of ${kind}, images need ${ENOUGH_IDS}: ${fix}`;
    (count === 0 ? fatal : others).push(text);
  }
  if (settings.get('user.max_user_namespaces') === '0') {
    fatal.push('user namespaces are off: as root: sysctl user.max_user_namespaces=15000');
  }
  if (settings.get('kernel.unprivileged_userns_clone') === '0') {
    fatal.push('user namespaces are for root only: as root: sysctl kernel.unprivileged_userns_clone=1');
  }
  if (settings.get('kernel.apparmor_restrict_unprivileged_userns') === '1' && !facts.hasProfile) {
    others.push(
      'AppArmor allows user namespaces only to programs with a profile (Ubuntu 23.10 and newer), and none is there for rootlesskit: ' +
        "install Ubuntu's package apparmor and its rootlesskit, or write /etc/apparmor.d/usr.local.bin.rootlesskit as rootlesskit tells",
    );
  }
  if (facts.runtimeDirectory === undefined) {
    fatal.push(
      `XDG_RUNTIME_DIR is no directory that can be written: log in as ${user.name} (ssh, machinectl shell; not su or sudo), ` +
        `or as root: loginctl enable-linger ${user.name}, then export XDG_RUNTIME_DIR=/run/user/${user.id}`,
    );
  }
  if (facts.lingers === false) {
    others.push(
      `containers end with the last session of ${user.name}: as root: loginctl enable-linger ${user.name}`,
    );
  }
  if (!facts.hasTun) {
    others.push('/dev/net/tun cannot be opened, which slirp4netns needs: as root: modprobe tun');
  }
  return [
    ...fatal.map((text) => ({ isFatal: true, text })),
    ...others.map((text) => ({ isFatal: false, text })),
  ];
}
