import type { StatusCode } from '../errors.ts';

/** What can be wrong in a set-up, in the words that a client shows. */
export interface ProblemDefinition {
  readonly code: StatusCode;
  /**
   * One sentence on one line: what cannot be had, why, and after the semicolon the next step. Words in braces are facts. It
   * has neither quotes nor backslashes, which nerdctl and crictl would escape.
   */
  readonly sentence: string;
}

/** By the name of the problem's section in `docs/troubleshooting.md`, which is checked against this. */
export const PROBLEMS = {
  'cache-down': {
    code: 'Unavailable',
    sentence:
      '{path} cannot be fetched: the cache {cache} is down or fails ({reason}); start it or mend the way to it, then pull again',
  },
  'cache-slow': {
    code: 'DeadlineExceeded',
    sentence:
      '{path} is not here yet: in {seconds} s the cache {cache} has sent {progress}; pull again, the download goes on meanwhile',
  },
  queued: {
    code: 'DeadlineExceeded',
    sentence:
      '{path} is not here yet: for {seconds} s it has waited for other downloads; pull again, it keeps its turn',
  },
  absent: {
    code: 'FailedPrecondition',
    sentence:
      '{path} cannot be fetched: no cache has it ({answers}); push the path to one (nix copy), then pull again',
  },
  'no-cache': {
    code: 'FailedPrecondition',
    sentence:
      '{path} cannot be fetched: it is not on this node, and Nix has no cache to ask; name one as substituters in nix.conf, then pull again',
  },
  'stale-miss': {
    code: 'FailedPrecondition',
    sentence:
      '{path} cannot be fetched: Nix remembers that the cache {cache} had not got it, and does not ask again; delete what it remembers (binary-cache-v*.sqlite), then pull again',
  },
  login: {
    code: 'PermissionDenied',
    sentence:
      '{path} cannot be fetched: the cache {cache} asks for a login (HTTP 401); put one into the netrc-file of Nix (/etc/nix/netrc), then pull again',
  },
  'bad-signature': {
    code: 'PermissionDenied',
    sentence:
      '{path} cannot be fetched: in the cache {cache} its signature ({signers}) is by no key that this node trusts; add the right key to trusted-public-keys in nix.conf, or sign the path anew, then pull again',
  },
  unsigned: {
    code: 'PermissionDenied',
    sentence:
      '{path} cannot be fetched: in the cache {cache} it has no signature; sign it there (nix store sign), then pull again',
  },
  'damaged-archive': {
    code: 'DataLoss',
    sentence:
      '{path} cannot be fetched: the archive of {damaged} in the cache {cache} is missing, damaged or cut short ({reason}); remove it there, push the path again, then pull again',
  },
  'disk-full': {
    code: 'ResourceExhausted',
    sentence:
      '{path} cannot be fetched from {cache}: the disk of the Nix store is full; free space (nix-collect-garbage), then pull again',
  },
  'store-read-only': {
    code: 'FailedPrecondition',
    sentence:
      '{path} cannot be fetched from {cache}: the Nix store is read-only; make it writable (mount -o remount,rw /nix), then pull again',
  },
  'nix-daemon-down': {
    code: 'Unavailable',
    sentence:
      '{path} cannot be fetched from {cache}: nobody answers on the socket of the Nix daemon ({reason}); start it (systemctl start nix-daemon), then pull again',
  },
  'wrong-architecture': {
    code: 'FailedPrecondition',
    sentence:
      '{path} cannot run here: it is built for {built}, and this node is {node}; build it for {node}, push that to {cache}, and pull its path',
  },
  'mount-max': {
    code: 'ResourceExhausted',
    sentence:
      '{path} is here but cannot be shown to a container, and no cache can help: this node has {mounts} mounts, as many as fs.mount-max allows; unmount what nobody uses, or raise the limit (sysctl), and try again',
  },
  'snapshotter-down': {
    code: 'Unavailable',
    sentence:
      'nix-snapshotter does not answer at {socket} ({reason}); start it (systemctl start nix-snapshotter)',
  },
} as const satisfies Readonly<Record<string, ProblemDefinition>>;

export type ProblemId = keyof typeof PROBLEMS;

type NamesIn<Text> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** What has to be known to say it. */
export type FactsOf<Id extends ProblemId> = Readonly<
  Record<NamesIn<(typeof PROBLEMS)[Id]['sentence']>, string>
>;
