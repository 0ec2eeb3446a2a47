import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Mount, SnapshotsInfo, SnapshotsMethods, Timestamp } from '../../../proto/gen/messages.ts';
import type { StatusCode } from '../../../src/errors.ts';
import { createRpcClient, type RpcClient, type ServiceClient } from '../../../src/rpc/client.ts';
import { snapshots } from '../../../src/rpc/proto.ts';

const run = promisify(execFile);

/** A running snapshotter that has no snapshots yet, started with umask 077. */
export interface Subject extends AsyncDisposable {
  /** Path of its socket. */
  readonly address: string;
  /** Its root directory, with `snapshots/<id>/fs` below. */
  readonly root: string;
  /** Stops and starts it on the same root and socket; returns when it listens. */
  restart(): Promise<void>;
}

export type SubjectFactory = () => Promise<Subject>;

/** Where containerd's own overlayfs is not what its clients would rely on: what is expected instead. */
export interface Expectations {
  /** Code for a filter that cannot be parsed (the reference hands the error on without a code). */
  readonly badFilter: StatusCode;
  /** Code for an id mapping label that cannot be used (likewise). */
  readonly badMapping: StatusCode;
  /** Code for Prepare and View with an empty key (likewise). */
  readonly emptyKey: StatusCode;
  /**
   * True when a Commit whose parent is its own new name is refused, an Update without info is answered, and a store
   * that never had a snapshot is listed (the reference makes a loop, crashes, and fails).
   */
  readonly stricter: boolean;
  /** How many snapshots the test of a long List makes. */
  readonly longList: number;
}

export type SnapshotsClient = ServiceClient<SnapshotsMethods>;

/** A subject with a client of it. */
export interface Session extends AsyncDisposable {
  readonly subject: Subject;
  readonly rpc: RpcClient;
  readonly client: SnapshotsClient;
}

export async function open(factory: SubjectFactory): Promise<Session> {
  const subject = await factory();
  const rpc = createRpcClient({ address: subject.address });
  return {
    subject,
    rpc,
    client: rpc.service(snapshots),
    async [Symbol.asyncDispose]() {
      rpc.close();
      await subject[Symbol.asyncDispose]();
    },
  };
}

/** Prepares and commits one snapshot. */
export async function commitLayer(
  client: SnapshotsClient,
  name: string,
  parent = '',
  labels: Record<string, string> = {},
): Promise<void> {
  await client.Prepare({ key: `${name} (layer)`, parent });
  await client.Commit({ name, key: `${name} (layer)`, labels });
}

export async function infoOf(client: SnapshotsClient, key: string): Promise<SnapshotsInfo> {
  const { info } = await client.Stat({ key });
  if (info === null) throw new Error(`Stat of ${key} gave no info`);
  return info;
}

export async function listAll(
  client: SnapshotsClient,
  filters: readonly string[] = [],
): Promise<SnapshotsInfo[]> {
  const messages = await Array.fromAsync(client.List({ filters }));
  return messages.flatMap(({ info }) => info);
}

export async function namesOf(client: SnapshotsClient, filters: readonly string[]): Promise<string[]> {
  return (await listAll(client, filters)).map(({ name }) => name).toSorted();
}

/** The directory `snapshots/<id>/fs` that an active snapshot writes to. */
export function ownDirectory(mounts: readonly Mount[]): string {
  const mount = only(mounts);
  return mount.type === 'bind' ? mount.source : optionOf(mount, 'upperdir');
}

/** The directories below a snapshot, its parent's first. */
export function lowerDirectories(mounts: readonly Mount[]): string[] {
  return optionOf(only(mounts), 'lowerdir').split(':');
}

/** The id in `snapshots/<id>/fs`. */
export function idOf(directory: string): number {
  const name = basename(dirname(directory));
  if (!/^[1-9][0-9]*$/.test(name)) throw new Error(`${directory} does not name a snapshot's id`);
  return Number(name);
}

export function only<T>(values: readonly T[]): T {
  const [value] = values;
  if (values.length !== 1 || value === undefined) throw new Error(`one expected, found ${values.length}`);
  return value;
}

function optionOf(mount: Mount, name: string): string {
  return only(mount.options.filter((option) => option.startsWith(`${name}=`))).slice(name.length + 1);
}

/** The directories of snapshots that are on disk. */
export async function directoriesOn(subject: Subject): Promise<string[]> {
  return (await readdir(join(subject.root, 'snapshots'))).toSorted();
}

/** CLOCK_REALTIME in nanoseconds: Node.js itself offers it in milliseconds only. */
export async function realTime(): Promise<bigint> {
  const { stdout } = await run('date', ['+%s%N']);
  return BigInt(stdout.trim());
}

export function nanoseconds(time: Timestamp | null): bigint {
  if (time === null) throw new Error('a timestamp is missing');
  return time.seconds * 1_000_000_000n + BigInt(time.nanos);
}
