import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { configSchema, type Config } from './schema.ts';
import { tomlProblem } from './toml.ts';

export const DEFAULT_CONFIG_PATH = '/etc/nix-snapshotter/config.toml';

/** What the command line may set: it wins over the file. And what is taken where neither says. */
export interface Overrides {
  readonly address?: string;
  readonly root?: string;
}

/**
 * Reads the configuration: defaults, then the file, then the command line.
 *
 * @param path the file; undefined means the default one, which need not exist.
 * @param otherwise in place of the defaults of root's daemon.
 * @throws StatusError InvalidArgument naming the file and the key, FailedPrecondition when a named file cannot be read.
 */
export async function loadConfig(
  path: string | undefined,
  overrides: Overrides,
  { address, root }: Overrides = {},
): Promise<Config> {
  const file = path ?? DEFAULT_CONFIG_PATH;
  const text = await readConfigFile(file, path !== undefined);
  const table = text === undefined ? {} : parseToml(file, text);
  const defaults = { ...(address === undefined ? {} : { address }), ...(root === undefined ? {} : { root }) };
  const result = v.safeParse(configSchema, { ...defaults, ...table, ...overrides });
  if (result.success) return result.output;
  const flags = result.issues.filter((issue) => keyOf(issue) in overrides);
  if (flags.length > 0)
    throw new StatusError('InvalidArgument', flags.map((issue) => `--${problemOf(issue)}`).join('; '));
  throw new StatusError(
    'InvalidArgument',
    `configuration ${file}: ${result.issues.map(problemOf).join('; ')}; see docs/configuration.md for the keys`,
  );
}

function keyOf(issue: v.BaseIssue<unknown>): string {
  return v.getDotPath(issue) ?? '(top level)';
}

function problemOf(issue: v.BaseIssue<unknown>): string {
  const isUnknown = issue.type === 'strict_object' && issue.expected === 'never';
  return `${keyOf(issue)}: ${isUnknown ? 'there is no such key' : issue.message}`;
}

async function readConfigFile(file: string, required: boolean): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!required && errnoOf(error) === 'ENOENT') return undefined;
    const next = required
      ? 'name another file by --config, or leave it out'
      : 'make it readable, or remove it';
    throw new StatusError(
      'FailedPrecondition',
      `configuration ${file} cannot be read: ${messageOf(error)}; ${next}`,
      { cause: error },
    );
  }
}

function parseToml(file: string, text: string): object {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new StatusError(
      'InvalidArgument',
      `configuration ${file} is not TOML: ${tomlProblem(error)}; correct that line (docs/configuration.md has the keys)`,
      { cause: error },
    );
  }
}
