import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StatusError } from '../../../../src/errors.ts';
import { parseFilter } from '../../../../src/snapshot/filter/parse.ts';

const present = (...fieldPath: string[]) => ({ fieldPath, operator: 'present', value: '' });

describe('parseFilter', () => {
  const accepted: [string, object[]][] = [
    ['', []],
    ['labels.l', [present('labels', 'l')]],
    ['labels."containerd.io/snapshot.ref"', [present('labels', 'containerd.io/snapshot.ref')]],
    ['parent!=""', [{ fieldPath: ['parent'], operator: '!=', value: '' }]],
    [
      'kind==active,name~=/^a|b/',
      [
        { fieldPath: ['kind'], operator: '==', value: 'active' },
        { fieldPath: ['name'], operator: '~=', value: '^a|b' },
      ],
    ],
    ['name~=|a/b|', [{ fieldPath: ['name'], operator: '~=', value: 'a/b' }]],
    ['name == k8s.io/3/sha256:00', [{ fieldPath: ['name'], operator: '==', value: 'k8s.io/3/sha256:00' }]],
    [
      'name=="a\\"b\\x41\\u00e9\\xc3\\xa9\\101\\t"',
      [{ fieldPath: ['name'], operator: '==', value: 'a"bAééA\t' }],
    ],
    ['1a==1', [{ fieldPath: ['1a'], operator: '==', value: '1' }]],
    ['name==a=b!c', [{ fieldPath: ['name'], operator: '==', value: 'a=b!c' }]],
  ];
  for (const [text, selectors] of accepted) {
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseFilter(text), selectors));
  }

  const refused = [
    'name=',
    'name==',
    'name===a',
    'name=~a',
    '==a',
    'name==a,',
    ',name',
    'name.',
    '.name',
    'name==/a/',
    'name==|a|',
    'name=="a',
    'name=="\\q"',
    'name=="\\x4"',
    'name=="\\400"',
    'name=="\\UFFFFFFFF"',
    'na-me==a',
    'name==a b',
    'name==\0',
    '"',
    '/a/==b',
    'name ==',
    'name==a\nb',
    ' ',
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)} and shows where`, () => {
      assert.throws(() => parseFilter(text), {
        code: 'InvalidArgument',
        message: /^filters: parse error: \[/,
      });
    });
  }

  it('answers any text with selectors or InvalidArgument', () => {
    const alphabet = fc.constantFrom(
      'a',
      '.',
      ',',
      '=',
      '!',
      '~',
      '"',
      '/',
      '|',
      '\\',
      'x',
      '0',
      ' ',
      'é',
      '\n',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 12 }), (characters) => {
        try {
          parseFilter(characters.join(''));
        } catch (error) {
          assert.ok(error instanceof StatusError && error.code === 'InvalidArgument');
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('reads back any quoted value', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
        (value) => {
          const quoted = `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
          assert.deepEqual(parseFilter(`labels.${quoted}==${quoted}`), [
            { fieldPath: ['labels', value], operator: '==', value },
          ]);
        },
      ),
    );
  });
});
