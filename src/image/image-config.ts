import * as v from 'valibot';
import { parseJson } from './descriptor.ts';

const strings = v.nullish(v.array(v.string()));
const sets = v.nullish(v.record(v.string(), v.unknown()));

/** `config` of an image config: OCI's members, and Docker's own, which are kept. */
const RunConfigSchema = v.looseObject({
  User: v.nullish(v.string()),
  ExposedPorts: sets,
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  Volumes: sets,
  WorkingDir: v.nullish(v.string()),
  Labels: v.nullish(v.record(v.string(), v.string())),
  StopSignal: v.nullish(v.string()),
  OnBuild: strings,
});

const HistorySchema = v.looseObject({ empty_layer: v.nullish(v.boolean()) });

const ImageConfigSchema = v.looseObject({
  os: v.nullish(v.string()),
  architecture: v.nullish(v.string()),
  variant: v.nullish(v.string()),
  config: v.nullish(RunConfigSchema),
  rootfs: v.looseObject({ diff_ids: v.nullish(v.array(v.string())) }),
  history: v.nullish(v.array(HistorySchema)),
});

/** How a container of the image runs. */
export type RunConfig = v.InferOutput<typeof RunConfigSchema>;
export type History = v.InferOutput<typeof HistorySchema>;
export type ImageConfig = v.InferOutput<typeof ImageConfigSchema>;

/** `record` alone takes arrays too. */
const ObjectSchema = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value), 'is not an object'),
  v.record(v.string(), v.unknown()),
);

const KNOWN = new Map(
  [...Object.keys(RunConfigSchema.entries), 'ArgsEscaped', 'Healthcheck', 'Shell', 'StopTimeout'].map(
    (name) => [name.toLowerCase(), name],
  ),
);

/** @throws StatusError InvalidArgument naming `where` and the member that is wrong. */
export function parseImageConfig(bytes: Uint8Array, where: string): ImageConfig {
  return parseJson(ImageConfigSchema, bytes, where);
}

/**
 * Reads a `--config` file: the `config` object of the OCI image specification, member names in any case (as
 * Go's JSON decoder takes them: `entrypoint` is `Entrypoint`).
 *
 * @returns the config, and the members that no runtime knows and that are left out.
 * @throws StatusError InvalidArgument naming `where` and the member that is wrong.
 */
export function parseRunConfig(
  bytes: Uint8Array,
  where: string,
): { config: RunConfig; unknown: readonly string[] } {
  const raw = parseJson(ObjectSchema, bytes, where);
  const named = new Map<string, unknown>();
  const unknown: string[] = [];
  for (const [member, value] of Object.entries(raw)) {
    const name = KNOWN.get(member.toLowerCase());
    if (name === undefined) unknown.push(member);
    else if (value !== null) named.set(name, value);
  }
  const config = parseJson(RunConfigSchema, Buffer.from(JSON.stringify(Object.fromEntries(named))), where);
  return { config, unknown };
}
