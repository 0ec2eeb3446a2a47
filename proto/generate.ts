import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { descriptorOf, loadDefinitions } from './descriptor.ts';
import { messageTypes } from './types.ts';
import { SERVICES } from './sources.ts';
import { refreshVendored } from './vendor.ts';

/**
 * The generated files by name: a function of the .proto files below `protoDir` alone, the same bytes each time.
 */
export async function generated(protoDir: string): Promise<Record<string, string>> {
  const root = await loadDefinitions(protoDir);
  const files = Map.groupBy(SERVICES, ({ file }) => file);
  const descriptors = [...files].map(([file, services]) => {
    const descriptor = descriptorOf(
      root,
      services.map(({ name }) => name),
    );
    return [file, `${JSON.stringify(descriptor, undefined, 1)}\n`];
  });
  return { ...Object.fromEntries(descriptors), 'messages.ts': messageTypes(root) };
}

if (import.meta.main) {
  const protoDir = import.meta.dirname;
  await refreshVendored(protoDir);
  await mkdir(join(protoDir, 'gen'), { recursive: true });
  for (const [name, text] of Object.entries(await generated(protoDir))) {
    await writeFile(join(protoDir, 'gen', name), text);
  }
}
