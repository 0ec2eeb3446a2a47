import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { STORE_DIR, type StorePath } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import type { NixStore } from '../../../src/nix/store.ts';
import { deniedByRule, imageTooLarge } from '../../../src/policy/refusal.ts';
import { PROBLEMS } from '../../../src/problems/definitions.ts';
import { pages } from './markdown.ts';

const page = (await pages()).find(({ path }) => path === 'docs/troubleshooting.md');

const blocks = page?.code.filter(({ kind, language }) => kind === 'block' && language === '') ?? [];
const told = (heading: string) => blocks.find((block) => block.heading === heading)?.text.split('\n') ?? [];
const PATH = `${STORE_DIR}/${'0'.repeat(32)}-x` as StorePath;

describe('docs/troubleshooting.md', () => {
  it('has what a refusal by policy says', () => {
    const image = { reference: '<image>' };
    const facts = { image, paths: [PATH], bytes: 0, complete: true };
    const rule = { name: '<rule>', action: 'deny', path: ['*'] } as const;
    const refused = { image, path: PATH };
    const [byRule, byDefault, byLimit = ''] = told('Refused by policy');
    const plain = ({ message }: Error) => message.replace('?image?', '<image>').replace(PATH, '<path>');
    assert.equal(plain(deniedByRule(refused, { rule, path: PATH }, facts)), byRule);
    assert.equal(plain(deniedByRule(refused, undefined, facts)), byDefault);
    const [before = '', , after = ''] = byLimit
      .replace('<limit>', 'max_image_bytes')
      .split(/: <[^>]*>; <[^>]*>()/);
    const said = plain(imageTooLarge(refused, { limit: 1, bytes: 2 }));
    assert.ok(before !== '' && after !== '' && said.startsWith(`${before}: `) && said.endsWith(after), said);
  });

  it('has what is said where too many wait', async () => {
    const never = new AbortController();
    const realise = async () => await once(never.signal, 'abort').then(() => undefined);
    const queue = new RealiseQueue(
      { concurrency: 1, long: 1, maxWaiting: 1, graceMs: 0 },
      { store: { realise } as unknown as NixStore, log: silentLog },
    );
    const first = queue.realise([PATH], '/r/1');
    const [sentence = ''] = told('Too many wait');
    await assert.rejects(queue.realise([PATH], '/r/2'), {
      message: sentence.replace('<path>', PATH).replace('<limit>', '1'),
    });
    never.abort();
    await first;
    await queue.close();
  });

  for (const [id, { sentence }] of Object.entries(PROBLEMS)) {
    it(`has what is said of ${id}, a line in the table, and commands that mend it`, () => {
      const code = page?.code.filter(({ kind, heading }) => kind === 'block' && heading === id) ?? [];
      const said = code.find(({ language }) => language === 'text')?.text;
      assert.equal(said, sentence.replaceAll(/\{(\w+)\}/g, '<$1>'));
      assert.equal(code.filter(({ language }) => language === 'sh').length, 1);
      assert.ok(page?.text.includes(`| [${id}](#${id}) |`));
    });
  }

  it('has no section of a problem that is not known', () => {
    const headings = page?.code.filter(({ language }) => language === 'text').map(({ heading }) => heading);
    assert.deepEqual(headings?.toSorted(), Object.keys(PROBLEMS).toSorted());
  });
});
