import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'smol-toml';
import * as v from 'valibot';
import { configSchema } from '../../src/config/schema.ts';
import { containerdDropIn } from '../../src/setup/containerd-drop-in.ts';
import { checkDump } from '../../src/setup/check-dump.ts';
import { RESOLVER } from '../../src/setup/plan.ts';
import { nixFiles } from '../nix/nix-files.ts';
import { type Nix, nixInside } from '../nix/nix.ts';
import { parseVersion } from '../sandbox/containerd.ts';
import { skipWithout } from '../sandbox/components.ts';
import { ensureTool } from '../sandbox/go-tools.ts';
import { inside, projectRoot } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { describeOneTruth } from './nix-modules/one-truth.ts';
import type { ContainerdFiles, Evaluated } from './nix-modules/outcome.ts';
import { REFUSED } from './nix-modules/refused.ts';
import { schemaKeys } from './nix-modules/schema-keys.ts';
import { isBase, leaves, ours } from './nix-modules/tables.ts';
import { matrix } from './support/matrix.ts';

const SOCKET = '/run/nix-snapshotter/nix-snapshotter.sock';
const ROOT = '/var/lib/containerd/io.containerd.snapshotter.v1.nix';
/** The same with each Nix; what follows from it is looked at once. */
let evaluated: Evaluated | undefined;

for (const row of await matrix(['1.7', '2.1'])) {
  describe(`NixOS and Home Manager modules on ${row.suite}`, { skip: row.skip }, () => {
    let node: Sandbox;
    let nix: Nix;
    let all: Evaluated;

    before(async () => {
      node = await Sandbox.up({ suite: row.suite, name: 'modules' });
      nix = await nixInside(node);
      all = (await nix.evaluate(
        evaluation(nix, 'evaluate', `libPath = ${nix.project}/test/nix/lib.nix;`),
      )) as Evaluated;
      evaluated ??= all;
    });
    after(async () => await node.down());

    it('every Nix file of the project is Nix', async (t) => {
      const files = await nixFiles();
      await nix.parse(files);
      t.diagnostic(`Nix ${nix.version}: ${files.length} files`);
    });

    it('each module evaluates by itself, and the machines and NixOS tests do', () => {
      for (const [name, failed] of Object.entries({ ...all.alone.nixos, ...all.alone.home, ...all.machines }))
        assert.deepEqual(failed, [], name);
      for (const [name, { failed, testScript }] of Object.entries(all.tests)) {
        assert.ok(
          Object.values(failed).every((one) => one.length === 0),
          name,
        );
        assert.match(testScript, /succeed/, name);
      }
    });

    it('without the overlay the package is built from the modules’ own source', async () => {
      const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
        readonly version: string;
      };
      const built = `nix-snapshotter-${version}`;
      assert.deepEqual(all.withoutOverlay, { nothing: built, goVersion: built, ours: 'nix-snapshotter-1.0' });
    });

    for (const kind of ['nixos', 'home'] as const) {
      it(`${kind}: what cannot work is refused by one text that says what to do, all else evaluates`, () => {
        for (const [name, { failed }] of Object.entries(all[kind])) {
          const expected = REFUSED[kind][name];
          assert.equal(failed.length, expected === undefined ? 0 : 1, `${name}: ${failed.join(' AND ')}`);
          if (expected !== undefined) assert.match(failed[0] ?? '', expected, name);
        }
        assert.deepEqual(
          Object.keys(REFUSED[kind]).filter((name) => all[kind][name] === undefined),
          [],
        );
      });
    }

    it('an option that nobody declares, a wrong type and a module that imports itself are errors', async () => {
      const nixos = async (module: string) => {
        const folder = `${nix.project}/test/nix`;
        const lib = `import ${folder}/lib.nix`;
        const expression =
          `let lib = ${lib}; pkgs = import ${folder}/nixos-packages.nix { inherit lib; }; in ` +
          `(import ${folder}/nixos.nix { inherit lib pkgs; modules = [ ${nix.project}/modules/nixos ${module} ]; }).config.services.nix-snapshotter.enable`;
        return await nix.evaluate(expression);
      };
      assert.equal(await nixos('{ }'), false);
      await assert.rejects(
        nixos('{ services.nix-snapshotter.snapshots = 1; }'),
        /services\.nix-snapshotter\.snapshots' does not exist/,
      );
      await assert.rejects(nixos('{ services.nix-snapshotter.enable = "yes"; }'), /is not of type `boolean'/);
      await node.writeFile('/tmp/cycle.nix', '{ imports = [ ./cycle.nix ]; }');
      await assert.rejects(nixos('/tmp/cycle.nix'), /imports itself/);
    });

    for (const version of row.suite === 'trixie'
      ? (['debian', '2.2', '2.3', '2.4'] as const)
      : (['debian'] as const)) {
      const skip =
        version === 'debian' ? Promise.resolve(false as const) : skipWithout(`containerd-${version}`);
      it(`containerd ${version} of ${row.suite} understands what the modules add, and nothing else changes`, async (t) => {
        const reason = await skip;
        if (reason !== false) return t.skip(reason);
        const directory =
          version === 'debian' ? '/usr/bin' : `${inside.tools}/${await ensureTool(`containerd-${version}`)}`;
        const program = `${directory}/containerd`;
        const release = parseVersion((await node.exec([program, '--version'])).stdout);
        const files = await containerdFiles(nix, release);
        const dump = async (name: keyof ContainerdFiles) => {
          await node.writeFile(`/tmp/${name}.toml`, stringify(files[name]));
          return parse(
            (await node.exec([program, '--config', `/tmp/${name}.toml`, 'config', 'dump'])).stdout,
          );
        };
        const alone = await dump('alone');
        checkDump(alone, await dump('version2'), SOCKET);
        assert.throws(() => checkDump(alone, alone, SOCKET), /proxy_plugins\.nix is not there/);
        const rootless = await dump('rootless');
        assert.equal((rootless['proxy_plugins'] as { nix: { address: string } }).nix.address, SOCKET);
        if (!release.startsWith('1.'))
          assert.deepEqual(ours(await dump('version3')), ours(await dump('version2')));
        t.diagnostic(`containerd ${release}`);
      });
    }

    if (row.suite === 'trixie') {
      it('containerd’s settings are those that setup gives', async () => {
        for (const [release, name] of [
          ['1.7.24', 'version2'],
          ['2.2.9', 'version3'],
          ['2.3.7', 'version3'],
          ['2.4.2', 'version3'],
        ] as const) {
          const { text } = containerdDropIn({
            release,
            files: [],
            platform: 'linux/amd64',
            socket: SOCKET,
            root: ROOT,
          });
          const added = parse(text);
          const found = (await containerdFiles(nix, release))[name];
          for (const [path, value] of leaves(added))
            assert.deepEqual(leaves(found).get(path), value, `${release}: ${path}`);
          const others = leaves((await containerdFiles(nix, release)).alone);
          const mine = [...leaves(found).keys()].filter(
            (path) => !leaves(added).has(path) && !isBase(path) && !others.has(path),
          );
          assert.deepEqual(mine, [], release);
        }
      });

      it('the keys of the daemon’s configuration are those of the daemon, with its types and defaults', async () => {
        const { keys, defaults } = (await nix.evaluate(
          `import ${nix.project}/test/nix/settings-keys.nix`,
        )) as {
          readonly keys: Readonly<Record<string, { readonly default: string; readonly type: string }>>;
          readonly defaults: Readonly<Record<string, string>>;
        };
        const expected = schemaKeys(configSchema);
        assert.deepEqual(Object.keys(keys).toSorted(), [...expected.keys()].toSorted());
        for (const [name, { default: value, choices }] of expected) {
          assert.equal(
            keys[name]?.default,
            value === undefined ? 'none' : `the daemon's, \`${JSON.stringify(value)}\``,
            name,
          );
          if (choices !== undefined)
            assert.equal(
              keys[name]?.type,
              `null or one of ${choices.map((one) => JSON.stringify(one)).join(', ')}`,
              name,
            );
        }
        const { address, root } = v.parse(configSchema, {});
        assert.deepEqual(defaults, { address, root, resolver: RESOLVER });
      });
    }
  });
}

describeOneTruth((await matrix(['1.7']))[0]?.skip ?? false, () => evaluated);

function evaluation(nix: Nix, file: string, args: string): string {
  return `import ${nix.project}/test/nix/${file}.nix { ${args} }`;
}

async function containerdFiles(nix: Nix, release: string): Promise<ContainerdFiles> {
  return (await nix.evaluate(
    evaluation(nix, 'containerd-files', `containerdVersion = "${release}";`),
  )) as ContainerdFiles;
}
