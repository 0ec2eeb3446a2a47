import { readFile } from 'node:fs/promises';
import type { LayerEntry } from '../../fixtures/oci-archive.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { World } from './world.ts';

/** What a container with many rights tries in order to change a file of the store, in words of busybox's shell. */
export function writeAttempts({ greeter }: Pick<World, 'greeter'>): string {
  const file = `${greeter}/share/greeter/message`;
  const points = ['/', '/nix/store', greeter, '/mnt'];
  return [
    'exec 2>&1; mkdir -p /mnt /tmp/upper /tmp/work /tmp/store',
    `echo written > ${file}`,
    `chmod 666 ${file}; chown 1:1 ${file}; touch ${file}`,
    `echo new > ${greeter}/new; echo new > /nix/store/new`,
    `mount -o bind ${greeter} /mnt`,
    ...points.flatMap((point) => [`mount -o remount,rw ${point}`, `mount -o remount,bind,rw ${point}`]),
    `echo written > ${file}; echo written > /mnt/share/greeter/message; echo new > /mnt/new`,
    `mount -t overlay -o lowerdir=/nix/store,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/store`,
    `echo written > /tmp/store/${greeter.slice('/nix/store/'.length)}/share/greeter/message`,
    `umount -l ${greeter}; umount -l /nix/store; umount -l /nix`,
    `echo written > ${file}; rm -rf ${greeter}; mv /nix/store /nix/moved; rm -rf /nix`,
    // Whatever else is mounted here may lead to the host's file systems.
    `cut -d' ' -f5 /proc/self/mountinfo | while read m; do for up in .. ../.. ../../..; do echo new > $m/$up${greeter}/new; done; done`,
    'echo tried',
  ].join('\n');
}

/** Perl from the node with its libraries, for calls that busybox does not have. */
export async function perl(node: Sandbox): Promise<readonly LayerEntry[]> {
  const { stdout } = await node.sh('readlink -f /usr/bin/perl; ldd /usr/bin/perl | grep -o "/[^ ]*"');
  const [program = '', ...libraries] = stdout.split('\n');
  const directories = new Set(
    libraries.flatMap((path) =>
      path
        .split('/')
        .slice(1, -1)
        .map((_, at, parts) => parts.slice(0, at + 1).join('/')),
    ),
  );
  return [
    ...[...directories].map((path): LayerEntry => ({ path, type: 'directory' })),
    ...(await Promise.all(
      libraries.map(async (path) => ({
        path: path.slice(1),
        mode: 0o755,
        content: await readFile(node.hostPath(path)),
      })),
    )),
    { path: 'bin/perl', mode: 0o755, content: await readFile(node.hostPath(program)) },
  ];
}

const CALLS = process.arch === 'arm64' ? { name: 264, open: 265 } : { name: 303, open: 304 };

/** Prints the handle of a file: its type, and its bytes in hexadecimal. */
export const NAME_TO_HANDLE = `
  my $handle = pack("Ll", 128, 0) . ("\\0" x 128); my $mount = pack("l", 0);
  syscall(${CALLS.name}, -100, "$ARGV[0]", $handle, $mount, 0) == 0 or die "name_to_handle_at: $!";
  my ($length, $type) = unpack("Ll", $handle);
  print "$type ", unpack("H*", substr($handle, 8, $length)), "\\n";`;

/** Opens the file of a handle (two arguments) through each mount (further arguments), and says what came of it. */
export const OPEN_BY_HANDLE = `
  my ($type, $hex, @mounts) = @ARGV; my $bytes = pack("H*", $hex);
  my $handle = pack("Ll", length($bytes), $type) . $bytes;
  for my $mount (@mounts) {
    opendir(my $dir, $mount) or next;
    my $fd = syscall(${CALLS.open}, fileno($dir), $handle, $ENV{FLAGS} + 0);
    if ($fd < 0) { print "$mount: $!\\n"; next; }
    open(my $file, $ENV{FLAGS} ? "+<&=" : "<&=", $fd); print "$mount: OPENED ", scalar(<$file>);
    print $file "written" if $ENV{FLAGS};
  }
  print "tried\\n";`;
