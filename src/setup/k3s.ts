import { stringify } from 'smol-toml';
import { type Document, isMap, parseDocument } from 'yaml';
import { StatusError } from '../errors.ts';
import { defaultUnpack, proxyPlugin } from './containerd-drop-in.ts';
import { type FileChange, ownFile } from './file-change.ts';
import { HEADER, marked } from './marker.ts';

/**
 * The snapshotter's name in k3s: k3s has a snapshotter "nix" built in, its own copy of the Go version, and a proxy plugin of the
 * same name does not load beside it.
 */
export const K3S_SNAPSHOTTER = 'nix-snapshotter';

const AGENT = '/var/lib/rancher/k3s/agent/etc/containerd';
const ETC = '/etc/rancher/k3s';
/** k3s's files that setup writes or changes; the first template that is there is the one k3s takes. */
export const K3S_FILES = {
  template3: `${AGENT}/config-v3.toml.tmpl`,
  template2: `${AGENT}/config.toml.tmpl`,
  registries: `${ETC}/registries.yaml`,
  config: `${ETC}/config.yaml`,
  ownConfig: `${ETC}/config.yaml.d/nix-snapshotter.yaml`,
} as const;

export interface K3sOptions {
  readonly platform: string;
  readonly socket: string;
  readonly root: string;
  readonly resolver: string;
  readonly token: string;
  /** Whether the kubelet shall ask our image service. */
  readonly imageService: boolean;
  /** Text of each of {@link K3S_FILES} that is there. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * What k3s has to be told: containerd's plugin by a template that extends k3s's own (docs.k3s.io, "Configuring containerd"), the
 * reserved hosts and the token by registries.yaml, the snapshotter's name by a file of its own in config.yaml.d.
 *
 * @throws StatusError FailedPrecondition naming file and key where k3s is told otherwise, or a file is no YAML.
 */
export function k3sFiles(options: K3sOptions): readonly FileChange[] {
  const { files, imageService, socket } = options;
  refuseOtherSnapshotter(files.get(K3S_FILES.config));
  const kubelet = imageService ? `kubelet-arg+:\n  - image-service-endpoint=unix://${socket}\n` : '';
  return [
    ...templates(options),
    ...registries(options),
    ownFile(K3S_FILES.ownConfig, `${HEADER}\nsnapshotter: ${K3S_SNAPSHOTTER}\n${kubelet}`),
  ];
}

/** k3s reads the version 2 template only where there is none of version 3; containerd 1.7 needs version 2. */
function templates(options: K3sOptions): readonly FileChange[] {
  const { files } = options;
  const only2 = files.has(K3S_FILES.template2) && !files.has(K3S_FILES.template3);
  const paths = only2 ? [K3S_FILES.template2] : [K3S_FILES.template3, K3S_FILES.template2];
  return paths.flatMap((path) => template(path, path === K3S_FILES.template2, options));
}

function template(
  path: string,
  is1: boolean,
  { files, platform, socket, root }: K3sOptions,
): readonly FileChange[] {
  const table = {
    plugins: {
      'io.containerd.transfer.v1.local': {
        unpack_config: [
          ...defaultUnpack('1.7', platform),
          { platform, snapshotter: K3S_SNAPSHOTTER, differ: 'walking' },
        ],
      },
    },
    proxy_plugins: { [K3S_SNAPSHOTTER]: proxyPlugin({ remapsIds: !is1, socket, root }) },
  };
  const before = files.get(path);
  const added = stringify(table);
  if (before === undefined) return [ownFile(path, `${HEADER}\n{{ template "base" . }}\n\n${added}`)];
  if (before.includes(`proxy_plugins.${K3S_SNAPSHOTTER}]`)) return unchangedUnlessOwn(path, before, added);
  const lines = added.split('\n').flatMap((line) => (line === '' ? [] : [marked(line)]));
  const text = `${before}${before.endsWith('\n') ? '' : '\n'}${lines.join('\n')}\n`;
  return [{ path, text, mode: 0o644, secret: false, removal: { kind: 'lines', lines } }];
}

/** A template that is ours as a whole follows the configuration; in another one our lines stay as they are. */
function unchangedUnlessOwn(path: string, before: string, added: string): readonly FileChange[] {
  if (!before.startsWith(HEADER)) return [];
  return [ownFile(path, `${HEADER}\n{{ template "base" . }}\n\n${added}`)];
}

function registries({ files, resolver, token }: K3sOptions): readonly FileChange[] {
  const path = K3S_FILES.registries;
  const before = files.get(path);
  const document = parseYaml(path, before ?? '');
  const auth = { username: 'nix-snapshotter', password: token };
  const wanted: readonly (readonly [readonly string[], unknown])[] = [
    [['mirrors', 'nix:0'], { endpoint: [`http://${resolver}`] }],
    [['mirrors', 'nix.local'], { endpoint: [`http://${resolver}`] }],
    [['configs', resolver], { auth }],
  ];
  const missing = wanted.filter(([keys, value]) => !isSame(document, keys, value));
  if (missing.length === 0) return [];
  for (const [keys, value] of missing) {
    const [top = ''] = keys;
    const table = document.get(top) ?? undefined;
    if (table === undefined) document.set(top, document.createNode({}));
    else if (!isMap(table)) throw notYaml(path, `"${top}" is not a mapping`);
    document.setIn(keys, document.createNode(value));
  }
  if (before === undefined) return [ownFile(path, `${HEADER}\n${yamlText(document)}`, true)];
  const keys = missing.map(([key]) => key);
  return [
    { path, text: yamlText(document), mode: 0o600, secret: true, removal: { kind: 'yaml-keys', keys } },
  ];
}

function isSame(document: Document, keys: readonly string[], value: unknown): boolean {
  const node = document.getIn(keys, true);
  const found = isMap(node) ? (node.toJS(document) as unknown) : undefined;
  return JSON.stringify(found) === JSON.stringify(value);
}

function refuseOtherSnapshotter(config: string | undefined): void {
  if (config === undefined) return;
  const chosen = parseYaml(K3S_FILES.config, config).get('snapshotter');
  if (chosen === undefined || chosen === 'overlayfs' || chosen === K3S_SNAPSHOTTER) return;
  throw new StatusError(
    'FailedPrecondition',
    `${K3S_FILES.config}: snapshotter is ${JSON.stringify(chosen)}; remove that key and run setup again. ` +
      'k3s’s own "nix" is the Go version, whose images are not taken over',
  );
}

/** A document as text; long lines stay as their owner wrote them. */
export function yamlText(document: Document): string {
  return document.toString({ lineWidth: 0 });
}

/**
 * Reads a YAML mapping.
 *
 * @throws StatusError FailedPrecondition naming the file.
 */
export function parseYaml(path: string, text: string): Document {
  const document = parseDocument(text);
  const [problem] = document.errors;
  const { contents } = document;
  if (problem === undefined && (contents === null || isMap(contents))) return document;
  throw notYaml(path, problem?.message ?? 'a mapping is expected');
}

function notYaml(path: string, cause: string): StatusError {
  return new StatusError(
    'FailedPrecondition',
    `${path} is not the YAML it should be: ${cause}; repair it, then run setup again`,
  );
}
