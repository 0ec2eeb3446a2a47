import { existsSync } from 'node:fs';
import { runProgram } from '../host/run-program.ts';
import type { Commands } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

/** A unit's properties, as `systemctl show` prints them. */
export type UnitProperties = Readonly<Record<string, string>>;

export interface UnitsFacts {
  readonly isRoot: boolean;
  readonly service: UnitProperties;
  /** Units of containerd that this host has. */
  readonly containerds: readonly UnitProperties[];
}

const SERVICE = 'nix-snapshotter.service';
const CONTAINERDS = ['containerd.service', 'k3s.service', 'k3s-agent.service'];
/** What gives a service a mount namespace of its own. Source: systemd.exec(5), "PrivateMounts". */
const NAMESPACES = [
  'PrivateMounts',
  'PrivateTmp',
  'PrivateDevices',
  'ProtectSystem',
  'ProtectHome',
  'ProtectKernelTunables',
  'ProtectKernelModules',
  'ProtectKernelLogs',
  'ProtectControlGroups',
  'ReadWritePaths',
  'ReadOnlyPaths',
  'InaccessiblePaths',
  'BindPaths',
  'BindReadOnlyPaths',
  'TemporaryFileSystem',
  'RootDirectory',
  'RootImage',
  'DynamicUser',
];
const PROPERTIES = ['Id', 'LoadState', 'UnitFileState', 'Before', ...NAMESPACES];

/** Asks systemd; undefined where this host is not run by systemd. */
export async function readUnits(isRoot: boolean): Promise<UnitsFacts | undefined> {
  if (!existsSync('/run/systemd/system')) return undefined;
  const user = isRoot ? [] : ['--user'];
  const units = [SERVICE, ...CONTAINERDS];
  const said = await runProgram('systemctl', [...user, 'show', '--property', PROPERTIES.join(','), ...units]);
  const [service = {}, ...others] = parseShow(said);
  return { isRoot, service, containerds: others.filter((unit) => unit['LoadState'] === 'loaded') };
}

/** Units in what `systemctl show` prints of several: blocks of `Name=value`, with an empty line between. */
export function parseShow(text: string): readonly UnitProperties[] {
  return text
    .trim()
    .split(/\n{2,}/)
    .map((block) => {
      const entries = block.split('\n').map((line): [string, string] => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)];
      });
      return Object.fromEntries(entries.filter(([name]) => name !== ''));
    });
}

/** Whether the daemon is started, before containerd, and shares its mounts. */
export function judgeUnits(
  { service, containerds, isRoot }: UnitsFacts,
  commands: Commands,
): readonly Finding[] {
  const systemctl = isRoot ? 'systemctl' : 'systemctl --user';
  if (service['LoadState'] !== 'loaded')
    return [
      warning('unit-missing', {
        what: `systemd has no ${SERVICE}`,
        why: 'nothing starts the daemon when the host does, or when it ends',
        fix: 'take the units of examples/systemd, or install the package',
        commands: [
          `${systemctl} daemon-reload`,
          `${systemctl} enable --now nix-snapshotter.socket ${SERVICE}`,
        ],
      }),
    ];
  const findings = [
    ...judgeEnabled(service, systemctl),
    ...judgeOrder(service, containerds, { isRoot, systemctl }),
    ...judgeNamespace(service, commands, systemctl),
  ];
  return findings.length > 0 ? findings : [fine('units', `systemd starts ${SERVICE} before containerd`)];
}

function judgeEnabled({ UnitFileState: state = '' }: UnitProperties, systemctl: string): readonly Finding[] {
  if (['enabled', 'enabled-runtime', 'static', 'linked', 'alias', 'generated', 'indirect'].includes(state))
    return [];
  return [
    warning('unit-disabled', {
      what: `${SERVICE} is ${state || 'not enabled'}`,
      why: 'after the next start of the host the daemon does not run, and images of store paths are not shown',
      fix: 'enable it',
      commands: [`${systemctl} enable nix-snapshotter.socket ${SERVICE}`],
    }),
  ];
}

function judgeOrder(
  { Before: before = '' }: UnitProperties,
  containerds: readonly UnitProperties[],
  { isRoot, systemctl }: { readonly isRoot: boolean; readonly systemctl: string },
): readonly Finding[] {
  // Without root the daemon enters the namespaces of containerd, so it comes after it.
  if (!isRoot) return [];
  const later = before.split(' ');
  const early = containerds.map(({ Id: id = '' }) => id).filter((id) => !later.includes(id));
  if (early.length === 0) return [];
  return [
    failure('unit-order', {
      what: `${SERVICE} is not ordered before ${early.join(' and ')}`,
      why: 'containerd asks its snapshotters when it starts; images of one that does not answer are not shown until it starts again',
      fix: `add Before=${early.join(' ')} to the [Unit] section of ${SERVICE}`,
      commands: [
        'mkdir -p /etc/systemd/system/nix-snapshotter.service.d',
        String.raw`printf '[Unit]\nBefore=${early.join(' ')}\n' > /etc/systemd/system/nix-snapshotter.service.d/order.conf`,
        `${systemctl} daemon-reload`,
      ],
    }),
  ];
}

/** Of the daemon alone: what it mounts in the host's namespace reaches a containerd with one of its own (systemd.exec(5)). */
function judgeNamespace(
  service: UnitProperties,
  { restartDaemon }: Commands,
  systemctl: string,
): readonly Finding[] {
  const set = NAMESPACES.filter((name) => !['', 'no', undefined].includes(service[name]));
  if (set.length === 0) return [];
  return [
    failure('unit-namespace', {
      what: `${SERVICE} has ${set.map((name) => `${name}=${service[name]}`).join(', ')}`,
      why: 'systemd gives it a mount namespace of its own, so that containerd does not see its mounts: containers have empty directories in place of store paths',
      fix: 'take these settings out of the unit and its drop-ins, then restart it',
      commands: [`${systemctl} cat ${SERVICE}`, `${systemctl} daemon-reload`, restartDaemon],
    }),
  ];
}
