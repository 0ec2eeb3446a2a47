import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { anyNix, type Nix } from './nix.ts';
import { nixFiles } from './nix-files.ts';

/**
 * `npm run check:nix`: what the tests evaluate with a stand-in for nixpkgs' `lib` is evaluated with the real one, at which
 * `NIXPKGS_LIB` points, and the outcomes are compared; every Nix file is parsed. With the machine's Nix, else with that of a sandbox.
 */
const given = process.env['NIXPKGS_LIB'];
if (given === undefined || given === '') {
  fail(
    "NIXPKGS_LIB is not set: let it name a directory with a copy of nixpkgs' lib, such as a checkout of nixpkgs or of " +
      'github.com/nix-community/nixpkgs.lib, then run npm run check:nix again',
  );
} else {
  await check(given).catch((error: unknown) => fail(messageOf(error)));
}

async function check(directory: string): Promise<void> {
  const library = [resolve(directory), resolve(directory, 'lib')].find((one) =>
    existsSync(join(one, 'modules.nix')),
  );
  if (library === undefined) {
    return fail(
      `NIXPKGS_LIB=${directory}: neither ${directory} nor ${directory}/lib has nixpkgs' lib (modules.nix)`,
    );
  }
  await using nix = await anyNix();
  say(`Nix ${nix.version}, lib of ${library}`);
  const files = await nixFiles();
  await nix.parse(files);
  say(`parsed: ${files.length} files`);
  const real = await nix.bring(library);
  for (const file of ['evaluate', 'flake-outputs']) await compare(nix, file, real);
}

/** Evaluates one of this folder's files with both libraries. */
async function compare(nix: Nix, file: string, real: string): Promise<void> {
  const value = async (lib: string) =>
    await nix.evaluate(`import ${nix.project}/test/nix/${file}.nix { libPath = ${lib}; }`);
  const expected = flat(await value(real));
  const found = flat(await value(`${nix.project}/test/nix/lib.nix`));
  const paths = [...new Set([...expected.keys(), ...found.keys()])];
  const wrong = paths.filter((path) => !isDeepStrictEqual(expected.get(path), found.get(path)));
  for (const path of wrong) {
    fail(
      `${file}: ${path} is ${show(expected.get(path))} with nixpkgs' lib, ${show(found.get(path))} with the stand-in`,
    );
  }
  if (wrong.length === 0)
    say(`${file}: ${paths.length} values, the same with nixpkgs' lib and with the stand-in`);
}

function flat(value: unknown, path = ''): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) return new Map([[path, value]]);
  const entries = Object.entries(value);
  if (entries.length === 0) return new Map([[path, value]]);
  return new Map(entries.flatMap(([key, inner]) => [...flat(inner, path === '' ? key : `${path}.${key}`)]));
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(line: string): void {
  process.stderr.write(`check:nix: ${line}\n`);
  process.exitCode = 1;
}
