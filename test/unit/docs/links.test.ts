import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import packageJson from '../../../package.json' with { type: 'json' };
import { type Page, pages, parsePage } from './markdown.ts';

const all = await pages();
const anchorsOf = new Map(all.map(({ path, anchors }) => [path, anchors]));

describe('links', () => {
  for (const page of all) {
    it(`of ${page.path} lead somewhere`, () => {
      assert.deepEqual(broken(page), []);
    });
  }

  it('reach every page of docs from README.md', () => {
    const reached = new Set(['README.md']);
    for (const path of reached) {
      const links = all.find((page) => page.path === path)?.links ?? [];
      for (const link of links) reached.add(targetOf(path, link).file);
    }
    const pagesOfDocs = [...anchorsOf.keys()].filter((path) => path.startsWith('docs/'));
    assert.deepEqual(
      pagesOfDocs.filter((path) => !reached.has(path)),
      [],
    );
  });

  it('are told when they lead nowhere', () => {
    const good = ['#try-it', 'docs/views.md', 'docs/views.md#views', 'LICENSE', 'https://nixos.org/'];
    const bad = [
      '#no',
      'docs/no.md',
      'docs/views.md#no',
      'LICENSE#no',
      '/LICENSE',
      '../x',
      'http://nixos.org/',
      'https:',
    ];
    const text = ['# Try `it`', ...[...good, ...bad].map((link) => `[x](${link})`)].join('\n\n');
    const page = parsePage('EXAMPLE.md', `${text}\n\n<img src="no.svg">`);
    anchorsOf.set(page.path, page.anchors);
    const told = broken(page).map(([link]) => link);
    anchorsOf.delete(page.path);
    assert.deepEqual(told, [...bad, 'no.svg']);
  });
});

describe('files of the project', () => {
  it('that pages name are there', () => {
    const named = all.flatMap(({ path, code }) =>
      code
        .map(({ text }) => ({ path, file: text }))
        .filter(({ file }) => /^(cmd|docs|examples|modules|proto|src|test)\/[\w./-]+$/.test(file)),
    );
    assert.ok(named.length > 10);
    assert.deepEqual(
      named.filter(({ file }) => !existsSync(file)),
      [],
    );
  });
});

describe('npm scripts', () => {
  it('that pages name are in package.json', () => {
    const named = all.flatMap(({ text }) =>
      [...text.matchAll(/\bnpm run (?:--silent )?([\w:-]*\w)/g)].map(([, name = '']) => name),
    );
    assert.ok(named.length > 20);
    assert.deepEqual(
      named.filter((name) => !(name in packageJson.scripts)),
      [],
    );
  });
});

/** The links of a page that lead nowhere, and why. */
function broken({ path, links }: Page): readonly (readonly [string, string])[] {
  return links.flatMap((link) => {
    const why = brokenBecause(path, link);
    return why === undefined ? [] : [[link, why] as const];
  });
}

/** Addresses elsewhere are only looked at: the tests have no network. */
function brokenBecause(path: string, link: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(link)) {
    return URL.canParse(link) && link.startsWith('https://') ? undefined : 'no https address';
  }
  if (link.startsWith('/')) return 'absolute: GitHub takes it for another place';
  const { file, fragment } = targetOf(path, link);
  if (file.startsWith('..')) return 'outside the project';
  if (file !== path && !existsSync(file)) return `${file} is not there`;
  if (fragment === undefined || anchorsOf.get(file)?.has(fragment)) return undefined;
  return `${file} has no heading #${fragment}`;
}

function targetOf(
  path: string,
  link: string,
): { readonly file: string; readonly fragment: string | undefined } {
  const [file = '', fragment] = link.split('#', 2);
  return { file: file === '' ? path : join(dirname(path), decodeURI(file)), fragment };
}
