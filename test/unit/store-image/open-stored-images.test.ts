import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { describe as describeBytes, MEDIA } from '../../../src/image/descriptor.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { openStoredImages } from '../../../src/store-image/open-stored-images.ts';

const { signal } = new AbortController();
const top = mkdtempSync(join(tmpdir(), 'open-stored-images-'));
after(() => rmSync(top, { recursive: true }));
const realStoreDir = join(top, 'store');
mkdirSync(realStoreDir);
const store = new StoreFiles({ realStoreDir });
const outside = join(top, 'secret');
writeFileSync(outside, 'root:x:0:0');

const pathOf = (name: string): StorePath => `/nix/store/${'a'.repeat(32)}-${name}` as StorePath;
const realOf = (path: string): string => realStoreDir + path.slice('/nix/store'.length);

function layout(
  name: string,
  files: Readonly<Record<string, string | { readonly link: string }>>,
): StorePath {
  const path = pathOf(name);
  for (const [file, content] of Object.entries(files)) {
    const real = join(realOf(path), file);
    mkdirSync(join(real, '..'), { recursive: true });
    if (typeof content === 'string') writeFileSync(real, content);
    else symlinkSync(content.link, real);
  }
  return path;
}

const CONTENT = 'a layer';
const LAYER = describeBytes(MEDIA.ociLayer, Buffer.from(CONTENT));
const blobFile = `blobs/${LAYER.digest.replace(':', '/')}`;
const MANIFEST = describeBytes(MEDIA.ociManifest, Buffer.from('{}'));
const INDEX = JSON.stringify({ schemaVersion: 2, manifests: [MANIFEST] });
const LAYOUT = JSON.stringify({ imageLayoutVersion: '1.0.0' });

describe('images in the store', () => {
  it('are read through links to other store paths', async () => {
    layout('blob', { content: CONTENT });
    const link = `${pathOf('blob')}/content`;
    const path = layout('linked', { 'oci-layout': LAYOUT, 'index.json': INDEX, [blobFile]: { link } });
    await using set = await openStoredImages(path, store, signal);
    assert.equal(await text(await set.open(LAYER)), CONTENT);
  });

  it('are not read through links that leave the store', async () => {
    const path = layout('leaving', {
      'oci-layout': LAYOUT,
      'index.json': INDEX,
      [blobFile]: { link: outside },
    });
    await using set = await openStoredImages(path, store, signal);
    assert.equal(await set.has(LAYER), false);
    await assert.rejects(set.open(LAYER), { code: 'NotFound' });
    const index = layout('index', { 'oci-layout': LAYOUT, 'index.json': { link: outside } });
    await assert.rejects(
      openStoredImages(index, store, signal),
      (error: Error) => !error.message.includes('root:'),
    );
  });

  it('name no file by a path that leaves the store', async () => {
    layout('plain', { file: 'x' });
    assert.equal(await store.realFile(`${pathOf('plain')}/file`), `${realOf(pathOf('plain'))}/file`);
    for (const leaving of [
      `${pathOf('plain')}/../../secret`,
      `${pathOf('plain')}/./file`,
      `${pathOf('plain')}/..`,
    ])
      assert.equal(await store.realFile(leaving), undefined, leaving);
  });

  it('are refused, and not waited for, when they are neither files nor directories', async () => {
    const path = pathOf('fifo');
    execFileSync('mkfifo', [realOf(path)]);
    await assert.rejects(openStoredImages(path, store, signal), {
      code: 'DataLoss',
      message: /neither a file/,
    });
    await assert.rejects(store.head(path, 4), { code: 'DataLoss' });
  });
});
