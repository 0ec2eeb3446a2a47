import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { argumentChunks } from '../../../src/nix/argument-chunks.ts';

describe('argumentChunks', () => {
  it('keeps order and number, and no chunk of several is too long', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.integer({ min: 1, max: 50 }), (args, max) => {
        const chunks = argumentChunks(args, max);
        assert.deepEqual(chunks.flat(), args);
        for (const chunk of chunks) {
          const size = chunk.reduce((sum, arg) => sum + Buffer.byteLength(arg) + 1, 0);
          assert.ok(chunk.length === 1 || size <= max);
        }
      }),
    );
  });

  it('puts a closure of 1,000 paths on one command line', () => {
    assert.equal(argumentChunks(Array.from({ length: 1000 }, () => 'x'.repeat(255))).length, 1);
  });
});
