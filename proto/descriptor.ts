import { join } from 'node:path';
import protobuf from 'protobufjs';
import { OWN_FILES, VENDORED } from './sources.ts';

/** Parses the .proto files below `protoDir`; Google's well-known types come with protobufjs. */
export async function loadDefinitions(protoDir: string): Promise<protobuf.Root> {
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => {
    if (target.startsWith('google/protobuf/')) return target;
    if (target.startsWith('google/rpc/')) return join(protoDir, target);
    return origin === '' ? target : join(protoDir, 'containerd', target);
  };
  const files = [
    ...VENDORED.flatMap((vendored) => vendored.files.map((file) => join(protoDir, vendored.folder, file))),
    ...OWN_FILES.map((file) => join(protoDir, file)),
  ];
  await root.load(files, { keepCase: true, alternateCommentMode: true });
  root.resolveAll();
  return root;
}

/** The types and enums that the methods of services reach, by full name (without the leading dot). */
export function usedTypes(
  root: protobuf.Root,
  services: readonly string[],
): ReadonlyMap<string, protobuf.Type | protobuf.Enum> {
  const used = new Map<string, protobuf.Type | protobuf.Enum>();
  const visit = (type: protobuf.Type | protobuf.Enum | null) => {
    if (type === null || used.has(nameOf(type))) return;
    used.set(nameOf(type), type);
    if (type instanceof protobuf.Type)
      for (const field of type.fieldsArray) visit(field.resolve().resolvedType);
  };
  for (const name of services) {
    for (const method of root.lookupService(name).methodsArray) {
      method.resolve();
      visit(method.resolvedRequestType);
      visit(method.resolvedResponseType);
    }
  }
  return new Map([...used].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The full name of a type, service or enum, without the leading dot. */
export function nameOf(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, '');
}

/** protobufjs's JSON descriptor of services and the types they reach, and nothing else. */
export function descriptorOf(root: protobuf.Root, services: readonly string[]): protobuf.INamespace {
  const keep = new Set<string>([...services, ...usedTypes(root, services).keys()]);
  return pruned(root, keep) ?? {};
}

function pruned(
  space: protobuf.NamespaceBase,
  keep: ReadonlySet<string>,
): protobuf.AnyNestedObject | undefined {
  const nested: Record<string, protobuf.AnyNestedObject> = {};
  for (const child of space.nestedArray.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const kept = child instanceof protobuf.Namespace ? pruned(child, keep) : undefined;
    if (keep.has(nameOf(child)) || kept !== undefined) nested[child.name] = kept ?? jsonOf(child);
  }
  const named = keep.has(nameOf(space));
  if (!named && Object.keys(nested).length === 0) return undefined;
  const own = named ? (jsonOf(space) as protobuf.INamespace) : {};
  const { nested: _, ...rest } = own;
  return Object.keys(nested).length === 0 ? rest : { ...rest, nested };
}

function jsonOf(object: protobuf.ReflectionObject): protobuf.AnyNestedObject {
  return (object as unknown as { toJSON(): protobuf.AnyNestedObject }).toJSON();
}
