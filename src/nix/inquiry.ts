import * as v from 'valibot';
import type { Log } from '../log.ts';
import { configuredSubstituters } from './configured-substituters.ts';
import type { FailureFacts } from './failure.ts';
import { causeOf } from './failure-cause.ts';
import { NixCommand } from './nix-command.ts';
import { FORGET_HITS, type NixStoreOptions } from './nix-options.ts';
import type { RealiseRecord } from './realise-log.ts';
import { substituterAnswers, withoutCredentials } from './substituter-answers.ts';

/** How long the answers may take in all, in milliseconds: a pull waits for them to fail. */
const PATIENCE_MS = 10_000;
const MAX_SIGNERS = 5;
const KEY_NAME = /^[\w.+-]{1,100}$/;
/** Caches whose answers Nix remembers. */
const REMEMBERED = /^(?:https?|s3):/;

const InfoSchema = v.looseObject({ signatures: v.nullish(v.array(v.string())) });
/** An array before Nix 2.19. */
const AnswerSchema = v.union([v.array(InfoSchema), v.record(v.string(), v.nullable(InfoSchema))]);

/** Asks Nix what its last words leave open, once a realise has failed. */
export class Inquiry {
  readonly #nix: NixCommand;
  readonly #substituters: readonly string[] | undefined;
  readonly #log: Log;

  constructor(
    options: NixStoreOptions,
    { env, log }: { readonly env: NodeJS.ProcessEnv; readonly log: Log },
  ) {
    // A path may have been signed since Nix read its description.
    this.#nix = new NixCommand({ ...options, settings: { ...options.settings, ...FORGET_HITS } }, { env });
    this.#substituters = options.substituters;
    this.#log = log;
  }

  /** Never throws: what nobody can say stays undefined. */
  async factsOf(record: RealiseRecord, signal: AbortSignal | undefined): Promise<FailureFacts> {
    const timeout = AbortSignal.timeout(PATIENCE_MS);
    const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const cause = causeOf(record, substituterAnswers(record));
    try {
      if (cause.kind === 'signature') {
        const cache = record.substituters.find(
          (each) => withoutCredentials(each) === withoutCredentials(cause.cache ?? ''),
        );
        if (cache === undefined || cause.path === undefined) return {};
        return { signers: await this.#signers(cache, cause.path, stop) };
      }
      if (!NAMES_NO_CACHE.has(cause.kind)) return {};
      const configured = this.#substituters ?? (await configuredSubstituters(this.#nix, stop));
      if (cause.kind !== 'absent') return { configured };
      const asked = record.substituters.map(withoutCredentials);
      const unasked = configured.filter(
        (cache) => REMEMBERED.test(cache) && !asked.some((each) => isSame(each, withoutCredentials(cache))),
      );
      return { configured, unasked };
    } catch (error) {
      this.#log.debug({ error }, 'cannot ask Nix more about a failure');
      return {};
    }
  }

  async #signers(cache: string, path: string, signal: AbortSignal): Promise<readonly string[] | undefined> {
    const asked = ['path-info', '--json', '--store', cache, path];
    const { exitCode, stdout } = await this.#nix.run(asked, signal);
    if (exitCode !== 0) return undefined;
    const answer = v.parse(AnswerSchema, JSON.parse(stdout));
    const [info] = Array.isArray(answer) ? answer : Object.values(answer);
    const names = (info?.signatures ?? []).map((signature) => signature.split(':', 1)[0] ?? '');
    return names.map((name) => (KEY_NAME.test(name) ? name : 'a key without a name')).slice(0, MAX_SIGNERS);
  }
}

/** Failures for whose text the caches have to be looked up. */
const NAMES_NO_CACHE: ReadonlySet<string> = new Set([
  'absent',
  'disk-full',
  'store-read-only',
  'nix-daemon-down',
]);

function isSame(one: string, other: string): boolean {
  return one.replace(/\/+$/, '') === other.replace(/\/+$/, '');
}
