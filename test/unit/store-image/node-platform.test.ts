import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parsePlatform } from '../../../src/image/platform.ts';
import { nodePlatform, runsHere } from '../../../src/store-image/node-platform.ts';

const runs = (built: string, node: string, emulators = '/nowhere'): boolean =>
  runsHere(parsePlatform(built), parsePlatform(node), emulators);

describe('what a node runs', () => {
  it('is what it is', () => {
    assert.ok(runsHere(nodePlatform()));
    assert.ok(runs('linux/arm64', 'linux/arm64'));
    assert.ok(!runs('linux/arm64', 'linux/amd64'));
    assert.ok(!runs('linux/amd64', 'linux/arm64'));
    assert.ok(!runs('darwin/arm64', 'linux/arm64'));
  });

  it('is what its processor runs besides, as containerd has it', () => {
    assert.ok(runs('linux/386', 'linux/amd64'));
    assert.ok(runs('linux/arm/v7', 'linux/arm64'));
    assert.ok(!runs('linux/amd64', 'linux/386'));
  });

  it('is what the kernel knows an emulator for, by the name that Debian or NixOS gives it', () => {
    const emulators = mkdtempSync(join(tmpdir(), 'binfmt-'));
    try {
      writeFileSync(join(emulators, 'qemu-aarch64'), '');
      writeFileSync(join(emulators, 'riscv64-linux'), '');
      assert.ok(runs('linux/arm64', 'linux/amd64', emulators));
      assert.ok(runs('linux/riscv64', 'linux/amd64', emulators));
      assert.ok(!runs('linux/s390x', 'linux/amd64', emulators));
    } finally {
      rmSync(emulators, { recursive: true });
    }
  });
});
