import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type BinaryCache, binaryCache } from '../fixtures/binary-cache.ts';
import { configureNix } from '../fixtures/nix-config.ts';
import {
  AWKWARD,
  PACKAGES,
  type PackageName,
  buildPackages,
  closureInfo,
  closureOf,
  deletePaths,
} from '../fixtures/packages.ts';
import { parseStorePath, storePathName } from '../../src/closure/store-path.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { Sandbox } from '../sandbox/sandbox.ts';

const unavailable = sandboxUnavailable();

describe('Nix fixtures', { skip: unavailable ?? false }, () => {
  let node: Sandbox;
  let paths: Record<PackageName, string>;
  let cache: BinaryCache;

  before(async () => {
    node = await Sandbox.up({ suite: 'trixie' });
    paths = await buildPackages(node, PACKAGES);
    cache = await binaryCache(node, [paths.everything, paths.redis], { signed: true });
  });
  after(async () => await node.down());

  it('have names that our grammar accepts, up to 211 characters', () => {
    for (const path of Object.values(paths)) assert.ok(parseStorePath(path), path);
    const longest = parseStorePath(paths.longest);
    assert.equal(longest && storePathName(longest).length, 33 + 211);
  });

  it('run from the store with their own libraries', async () => {
    const greeting = await node.exec([`${paths.greeter}/bin/greet`, 'tester']);
    assert.equal(greeting.stdout, 'Hello from the Nix store, tester!');
    const { stdout } = await node.exec(['ldd', `${paths.redis}/bin/redis-server`]);
    const loaded = [...stdout.matchAll(/=> (\S+)/g)].map((match) => match[1] ?? '');
    const foreign = loaded.filter((file) => !file.startsWith('/nix/store/') && !file.includes('/ld-linux'));
    assert.deepEqual(foreign, []);
    assert.ok(loaded.length > 5, stdout);
  });

  it('have closures of real depth, all awkward paths in one', async () => {
    const everything = await closureOf(node, [paths.everything]);
    for (const name of AWKWARD) assert.ok(everything.includes(paths[name]), name);
    const redis = await closureOf(node, [paths.redis]);
    assert.ok(redis.length >= 10, redis.join('\n'));
    const info = await closureInfo(node, [paths.redis]);
    assert.deepEqual((await node.readFile(`${info}/store-paths`)).trimEnd().split('\n'), redis);
    const registration = (await node.readFile(`${info}/registration`)).split('\n');
    for (const path of redis) assert.ok(registration.includes(path), path);
  });

  it('come back from the signed cache after they were deleted, and not when it fails', async () => {
    const closure = await closureOf(node, [paths.redis]);
    await deletePaths(node, closure);
    const here = (await node.exec(['ls', '/nix/store'])).stdout;
    for (const path of closure) assert.doesNotMatch(here, new RegExp(`^${path.slice(11, 43)}`, 'm'));

    await configureNix(node, { substituters: [cache], lines: ['download-attempts = 1'] });
    const realise = ['nix-store', '--realise', paths.redis];
    await cache.setFaults([{ match: '.narinfo', status: 503 }]);
    assert.match((await node.exec(realise, { reject: false })).stderr, /HTTP error 503/);
    await cache.setFaults([{ match: '/nar/', truncate: 1000 }]);
    assert.notEqual((await node.exec(realise, { reject: false })).exitCode, 0);
    await cache.setFaults([{ match: '/nar/', cut: true }]);
    assert.notEqual((await node.exec(realise, { reject: false })).exitCode, 0);
    await cache.setFaults([]);
    await node.exec(realise);
    assert.equal(
      (await cache.requests()).some(({ status }) => status === 503),
      true,
    );
    assert.match((await node.exec([`${paths.redis}/bin/redis-cli`, '--version'])).stdout, /^redis-cli \d/);
  });

  it('are refused from an unsigned cache when signatures are demanded', async () => {
    const unsigned = await binaryCache(node, [paths.greeter], { name: 'unsigned' });
    assert.equal(unsigned.publicKey, undefined);
    await deletePaths(node, [paths.greeter]);
    await configureNix(node, { substituters: [unsigned], requireSigs: true });
    const refused = await node.exec(['nix-store', '--realise', paths.greeter], { reject: false });
    assert.match(refused.stderr, /signature|trusted/);
    await configureNix(node, { substituters: [unsigned] });
    await node.exec(['nix-store', '--realise', paths.greeter]);
    await unsigned.stop();
  });
});
