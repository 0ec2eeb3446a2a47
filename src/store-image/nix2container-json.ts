import * as v from 'valibot';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { mentionedPaths } from '../image/build-inputs.ts';
import { parseJson } from '../image/descriptor.ts';
import { parseRunConfig, type RunConfig } from '../image/image-config.ts';
import { storePathOf } from '../image/store-files.ts';
import { tooLarge } from './expressions.ts';

/** Digests, sizes and media types of a layer whose bytes lie in the store. */
export interface LayerFile {
  /** Below the store directory. */
  readonly file: string;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
  readonly mediaType: string;
}

/** A store path that is put into the image under other names, or with other owners and modes. */
export interface RewrittenPath {
  readonly path: StorePath;
  /** Go regular expression and what its matches in the full path become. */
  readonly rewrite?: { readonly regex: string; readonly repl: string };
  /** Go regular expression: what has such a name in the image is left out, directories with all that is in them. */
  readonly ignore?: string;
  /** Applied in turn to what has a source path that matches. */
  readonly perms: readonly {
    readonly regex: string;
    readonly mode?: number;
    readonly orMode?: number;
    readonly uid: number;
    readonly gid: number;
    readonly uname?: string;
    readonly gname?: string;
  }[];
}

/** An image as nix2container (nlewo) describes it: its `types.Image`. */
export interface Nix2containerImage {
  readonly architecture: string;
  readonly config: RunConfig;
  /** Shown as they are. */
  readonly paths: readonly StorePath[];
  /** In the order of the image. */
  readonly ordinary: readonly (LayerFile | readonly RewrittenPath[])[];
}

const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));
const octal = v.pipe(
  v.string(),
  v.regex(/^(0*[0-7]{1,4})?$/, 'octal permission bits are expected, such as "0755"'),
  v.transform((text) => (text === '' ? undefined : Number.parseInt(text, 8))),
);
const id = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 2)), 0);

/** What whoever wrote the image may have computed by whoever serves it. */
const MAX_PERMS = 64;
const MAX_REWRITTEN = 1000;
const MAX_EXPRESSIONS = 1000;
const MAX_REPLACEMENT = 1000;
/** Bytes: a tar header has room for 31, and a zero. */
const MAX_USER_NAME = 31;

const expression = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    const message = dataset.typed ? tooLarge(dataset.value) : undefined;
    if (message !== undefined) addIssue({ message });
  }),
);
const replacement = v.pipe(
  v.string(),
  v.maxLength(
    MAX_REPLACEMENT,
    ({ received }) => `has ${received} characters: ${MAX_REPLACEMENT} is the limit`,
  ),
);
const userName = v.pipe(
  v.string(),
  v.maxBytes(MAX_USER_NAME, ({ received }) => `has ${received} bytes: ${MAX_USER_NAME} is the limit`),
);

const PathSchema = v.strictObject({
  path: v.string(),
  options: v.nullish(
    v.strictObject({
      rewrite: v.nullish(v.strictObject({ regex: expression, repl: replacement })),
      perms: v.nullish(
        v.pipe(
          v.array(
            v.strictObject({
              regex: expression,
              mode: v.nullish(octal),
              orMode: v.nullish(octal),
              uid: id,
              gid: id,
              uname: v.nullish(userName),
              gname: v.nullish(userName),
            }),
          ),
          v.maxLength(
            MAX_PERMS,
            ({ received }) => `has ${received} items: ${MAX_PERMS} of one path is the limit`,
          ),
        ),
      ),
      ignoreDestination: v.nullish(expression),
    }),
  ),
});
type Path = v.InferOutput<typeof PathSchema>;

const ImageSchema = v.looseObject({
  version: v.literal(1, 'only version 1 is known'),
  'image-config': v.nullish(v.record(v.string(), v.unknown())),
  arch: v.pipe(v.string(), v.regex(/^[a-z0-9_]+$/)),
  layers: v.nullish(
    v.array(
      v.looseObject({
        digest,
        size: v.pipe(v.number(), v.integer(), v.minValue(0)),
        diff_ids: digest,
        mediatype: v.string(),
        paths: v.nullish(v.array(PathSchema)),
        'layer-path': v.nullish(v.string()),
      }),
    ),
  ),
});

/**
 * Reads nix2container's JSON image.
 *
 * @param value the parsed JSON of the file.
 * @param where names the file in messages.
 * @returns undefined when the file is something else.
 * @throws StatusError InvalidArgument that names the member that is wrong or beyond a limit.
 */
export function parseNix2container(value: unknown, where: string): Nix2containerImage | undefined {
  if (typeof value !== 'object' || value === null || !('image-config' in value)) return undefined;
  const image = parseJson(ImageSchema, Buffer.from(JSON.stringify(value)), where);
  const runConfig = Buffer.from(JSON.stringify(image['image-config'] ?? {}));
  const { config } = parseRunConfig(runConfig, `${where}: image-config`);
  const paths = new Set<StorePath>();
  const ordinary: (LayerFile | readonly RewrittenPath[])[] = [];
  for (const layer of image.layers ?? []) {
    const file = layer['layer-path'];
    if (file !== null && file !== undefined && file !== '') {
      if (storePathOf(file) === undefined || /(^|\/)\.\.?(\/|$)/.test(file))
        throw wrong(where, 'layer-path', file);
      const { digest: blob, size, diff_ids: diffId, mediatype: mediaType } = layer;
      ordinary.push({ file, digest: blob, size, diffId, mediaType });
      continue;
    }
    const rewritten: RewrittenPath[] = [];
    for (const each of layer.paths ?? []) {
      const path = parseStorePath(each.path);
      if (path === undefined) throw wrong(where, 'layers: path', each.path);
      const options = optionsOf(each);
      if (options === undefined) paths.add(path);
      else rewritten.push({ path, ...options });
    }
    if (rewritten.length > 0) ordinary.push(rewritten);
  }
  checkAmount(
    ordinary.flatMap((layer) => ('file' in layer ? [] : layer)),
    where,
  );
  return { architecture: image.arch, config, paths: [...paths].toSorted(), ordinary };
}

/** Every path that has to be valid before the image can be made. */
export function inputsOf({ config, paths, ordinary }: Nix2containerImage): readonly StorePath[] {
  const below = ordinary.flatMap((layer) =>
    'file' in layer ? (storePathOf(layer.file) ?? []) : layer.map(({ path }) => path),
  );
  return [...new Set([...paths, ...below, ...mentionedPaths(config)])].toSorted();
}

/** What makes a path other than it is in the store; undefined when nothing does. */
function optionsOf({ options }: Path): Omit<RewrittenPath, 'path'> | undefined {
  const { rewrite, perms, ignoreDestination: ignore } = options ?? {};
  const isRewritten = rewrite !== null && rewrite !== undefined && rewrite.regex !== '';
  const isIgnored = ignore !== null && ignore !== undefined && ignore !== '';
  if (!isRewritten && !isIgnored && (perms ?? []).length === 0) return undefined;
  return {
    ...(isRewritten ? { rewrite } : {}),
    ...(isIgnored ? { ignore } : {}),
    perms: (perms ?? []).map(({ regex, mode, orMode, uid, gid, uname, gname }) => ({
      regex,
      uid,
      gid,
      ...(typeof mode === 'number' ? { mode } : {}),
      ...(typeof orMode === 'number' ? { orMode } : {}),
      ...(uname ? { uname } : {}),
      ...(gname ? { gname } : {}),
    })),
  };
}

function checkAmount(rewritten: readonly RewrittenPath[], where: string): void {
  const expressions = rewritten.reduce(
    (sum, { rewrite, ignore, perms }) =>
      sum + perms.length + (rewrite === undefined ? 0 : 1) + (ignore === undefined ? 0 : 1),
    0,
  );
  for (const [amount, limit, what] of [
    [rewritten.length, MAX_REWRITTEN, 'paths with options'],
    [expressions, MAX_EXPRESSIONS, 'regular expressions'],
  ] as const) {
    if (amount > limit)
      throw new StatusError(
        'InvalidArgument',
        `${where}: layers: ${amount} ${what}, ${limit} in all is the limit: copy fewer, joined before (buildEnv)`,
      );
  }
}

function wrong(where: string, member: string, text: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `${where}: ${member}: ${JSON.stringify(text.slice(0, 300))} is not in the store`,
  );
}
