import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { type Commands, shellWord } from './commands.ts';
import { failure, fine, type Finding } from './finding.ts';

/** A directory or file of the daemon's, as it is. */
export interface OwnedPath {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly owner: number;
}

export interface RootFacts {
  readonly root: string;
  /** The root first; empty where there is none yet, or this user cannot see it. */
  readonly found: readonly OwnedPath[];
  /** Whether the Go version has filled it. */
  readonly isGo: boolean;
  /** User id of whoever asks. */
  readonly user: number;
}

/** What keeps others out, and what holds secrets. */
const PRIVATE = ['', 'resolver-token', 'setup.json'];

/** Looks at the daemon's root; where that is a link, at what it leads to. */
export async function readRoot(root: string, user: number): Promise<RootFacts> {
  const seen = await Promise.all(PRIVATE.map((name) => ownedPath(join(root, name))));
  const isGo = (await ownedPath(join(root, 'metadata.db'))) !== undefined;
  return { root, found: seen.filter((one) => one !== undefined), isGo, user };
}

async function ownedPath(path: string): Promise<OwnedPath | undefined> {
  try {
    const { mode, uid } = await stat(path);
    return { path, mode: mode & 0o7777, owner: uid };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Whether the root is the daemon's alone, and of this version. */
export function judgeRoot({ root, found, isGo, user }: RootFacts, commands: Commands): readonly Finding[] {
  if (isGo)
    return [
      failure('root-go', {
        what: `root ${root} belongs to the Go version of nix-snapshotter: metadata.db is there`,
        why: 'the daemon does not start on it: every snapshot there would count as nobody’s',
        fix: 'leave the Go version as docs/migration.md says, or give this daemon a root and a snapshotter name of its own',
      }),
    ];
  const open = found.filter(({ mode }) => (mode & 0o077) !== 0);
  const others = found.filter(({ owner }) => owner !== user);
  return [
    ...(open.length === 0
      ? []
      : [
          failure('root-mode', {
            what: open.map(({ path, mode }) => `${path} has mode ${mode.toString(8)}`).join(', '),
            why: 'other users can read, or change, what containers of this node are made of, or the token of the resolver',
            fix: 'nobody but the owner may use it',
            commands: [`chmod go= ${open.map(({ path }) => shellWord(path)).join(' ')}`],
          }),
        ]),
    ...(others.length === 0
      ? []
      : [
          failure('root-owner', {
            what: others.map(({ path, owner }) => `${path} is of user ${owner}`).join(', '),
            why: 'whoever owns it can change what containers of this node are made of',
            fix: 'give it back to the daemon’s user, then restart the daemon',
            commands: [
              `chown ${user} ${others.map(({ path }) => shellWord(path)).join(' ')}`,
              commands.restartDaemon,
            ],
          }),
        ]),
    ...(found.length > 0 && open.length + others.length === 0
      ? [fine('root', `root ${root} is the daemon’s alone`)]
      : []),
  ];
}
