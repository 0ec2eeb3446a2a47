import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { K3S_FILES, k3sFiles } from '../../../src/setup/k3s.ts';
import { nerdctlConfig } from '../../../src/setup/nerdctl.ts';
import { podmanAuth, podmanRegistries } from '../../../src/setup/podman.ts';
import { withoutOurs } from '../../../src/setup/removal.ts';
import { toml } from './toml.ts';

const RESOLVER = '127.0.0.1:7373';
const TOKEN = 'f'.repeat(64);

describe('nerdctl', () => {
  const options = { hostsDir: '/etc/containerd/certs.d', rootless: false };

  it('gets our snapshotter as default, and a hosts directory that it would not look into', () => {
    assert.deepEqual(toml(nerdctlConfig('/n', undefined, options)?.text ?? ''), { snapshotter: 'nix' });
    const text = 'hosts_dir = ["/mine"]\nsnapshotter = "nix"\n';
    const change = nerdctlConfig('/n', text, options);
    assert.deepEqual(toml(change?.text ?? ''), {
      hosts_dir: ['/mine', '/etc/containerd/certs.d'],
      snapshotter: 'nix',
    });
    assert.equal(nerdctlConfig('/n', change?.text, options), undefined);
  });

  it('is left alone where it uses another snapshotter', () => {
    assert.throws(() => nerdctlConfig('/n', 'snapshotter = "stargz"\n', options), {
      code: 'FailedPrecondition',
      message: /^\/n: snapshotter is "stargz"; remove that key/,
    });
  });
});

describe('podman', () => {
  it('finds the reserved hosts below the ordinary layers', () => {
    const { registry } = toml(podmanRegistries('/r', RESOLVER).text) as { registry: object[] };
    assert.deepEqual(registry[0], {
      prefix: 'nix-layers.local',
      location: '127.0.0.1:7373/layers',
      insecure: true,
    });
    assert.deepEqual(registry.at(-1), { location: RESOLVER, insecure: true });
  });

  it('gets the token beside the credentials of others, which stay', () => {
    const before = '{\n\t"auths": { "quay.io": { "auth": "x" } },\n\t"credHelpers": {}\n}\n';
    const change = podmanAuth('/a', before, { resolver: RESOLVER, token: TOKEN });
    const auth = Buffer.from(`nix-snapshotter:${TOKEN}`).toString('base64');
    assert.deepEqual(JSON.parse(change?.text ?? ''), {
      auths: { 'quay.io': { auth: 'x' }, [RESOLVER]: { auth } },
      credHelpers: {},
    });
    assert.equal(change?.secret, true);
    assert.equal(podmanAuth('/a', change?.text, { resolver: RESOLVER, token: TOKEN }), undefined);
    const without = withoutOurs('/a', change?.text ?? '', change?.removal ?? { kind: 'file' });
    assert.deepEqual(JSON.parse(without ?? ''), JSON.parse(before));
  });

  it('a file that is no JSON object is told', () => {
    for (const text of ['', '[]', '{"auths": []}', '{']) {
      assert.throws(() => podmanAuth('/a', text, { resolver: RESOLVER, token: TOKEN }), {
        code: 'FailedPrecondition',
        message: /^\/a is not the JSON it should be/,
      });
    }
  });
});

describe('k3s', () => {
  const options = {
    platform: 'linux/amd64',
    socket: '/s.sock',
    root: '/root',
    resolver: RESOLVER,
    token: TOKEN,
    imageService: false,
  };
  const filesWith = (files: Readonly<Record<string, string>>, more: object = {}) =>
    new Map(
      k3sFiles({ ...options, ...more, files: new Map(Object.entries(files)) }).map((one) => [one.path, one]),
    );
  /** What k3s makes of a template: its own configuration where the template says so. */
  const rendered = (text: string) =>
    toml(
      text.replace('{{ template "base" . }}', '[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "x"'),
    );

  it('templates extend k3s’s own, with a name that k3s has not given away', () => {
    const files = filesWith({});
    for (const path of [K3S_FILES.template3, K3S_FILES.template2]) {
      const text = files.get(path)?.text ?? '';
      assert.match(text, /^\{\{ template "base" \. \}\}$/m);
      const { proxy_plugins: proxies } = rendered(text) as {
        proxy_plugins: Record<string, { address: string }>;
      };
      assert.equal(proxies['nix-snapshotter']?.address, '/s.sock');
    }
    assert.deepEqual(parseYaml(files.get(K3S_FILES.ownConfig)?.text ?? ''), {
      snapshotter: 'nix-snapshotter',
    });
  });

  it('a template of version 2 that is there is not put aside by one of version 3', () => {
    const own = '{{ template "base" . }}\n[debug]\nlevel = "debug"';
    const files = filesWith({ [K3S_FILES.template2]: own });
    assert.equal(files.has(K3S_FILES.template3), false);
    const change = files.get(K3S_FILES.template2);
    assert.ok(change !== undefined && change.text.startsWith(`${own}\n`));
    assert.deepEqual(rendered(change.text)['debug'], { level: 'debug' });
    assert.equal(withoutOurs('/t', change.text, change.removal), `${own}\n`);
    assert.equal(filesWith({ [K3S_FILES.template2]: change.text }).has(K3S_FILES.template2), false);
  });

  it('registries.yaml keeps what is there, comments too, and nobody else may read it', () => {
    const before = '# mine\nmirrors:\n  docker.io: # the mirror\n    endpoint:\n      - https://m:5000\n';
    const change = filesWith({ [K3S_FILES.registries]: before }).get(K3S_FILES.registries);
    assert.ok(change !== undefined);
    for (const comment of ['# mine', '# the mirror']) assert.ok(change.text.includes(comment), change.text);
    assert.equal(change.secret, true);
    const endpoint = ['http://127.0.0.1:7373'];
    assert.deepEqual(parseYaml(change.text), {
      mirrors: {
        'docker.io': { endpoint: ['https://m:5000'] },
        'nix:0': { endpoint },
        'nix.local': { endpoint },
      },
      configs: { [RESOLVER]: { auth: { username: 'nix-snapshotter', password: TOKEN } } },
    });
    assert.equal(filesWith({ [K3S_FILES.registries]: change.text }).has(K3S_FILES.registries), false);
    const without = withoutOurs(K3S_FILES.registries, change.text, change.removal) ?? '';
    assert.deepEqual(parseYaml(without), { ...(parseYaml(before) as object), configs: {} });
    for (const other of ['mirrors: 5\n', '{}\n']) {
      assert.equal(withoutOurs(K3S_FILES.registries, other, change.removal), other);
    }
    assert.equal(withoutOurs(K3S_FILES.registries, 'a: [', change.removal), undefined);
  });

  it('the kubelet asks our image service only where the daemon has one', () => {
    const text = filesWith({}, { imageService: true }).get(K3S_FILES.ownConfig)?.text ?? '';
    assert.deepEqual(parseYaml(text), {
      snapshotter: 'nix-snapshotter',
      'kubelet-arg+': ['image-service-endpoint=unix:///s.sock'],
    });
  });

  it('another snapshotter in config.yaml, and what is no YAML, are told', () => {
    assert.throws(() => filesWith({ [K3S_FILES.config]: 'snapshotter: nix\n' }), {
      code: 'FailedPrecondition',
      message: /config\.yaml: snapshotter is "nix"; remove that key/,
    });
    for (const text of ['a: [', '- list\n', 'mirrors: 5\n', 'configs: [a]\n']) {
      assert.throws(() => filesWith({ [K3S_FILES.registries]: text }), {
        code: 'FailedPrecondition',
        message: /registries\.yaml is not the YAML it should be/,
      });
    }
  });
});
