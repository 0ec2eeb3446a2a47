/** What the control file of the package says of this build. */
export interface ControlFields {
  readonly version: string;
  readonly arch: string;
  /** Of all files that it installs. */
  readonly bytes: number;
  readonly maintainer: string;
}

/** A name and address that nobody has; `DEBFULLNAME` and `DEBEMAIL`, Debian's own variables, say who builds. */
const NOBODY = { name: 'The nix-snapshotter authors', email: 'nobody@nix-snapshotter.invalid' };

/** Who the package is from, as Debian's tools ask the environment. */
export function maintainerOf(env: NodeJS.ProcessEnv): string {
  return `${env['DEBFULLNAME'] ?? NOBODY.name} <${env['DEBEMAIL'] ?? NOBODY.email}>`;
}

/**
 * The control file. The libraries are what Node's release and LevelDB's addon were linked with: glibc 2.28 and GCC 8 (Debian
 * 10, Ubuntu 20.04).
 */
export function controlFile({ version, arch, bytes, maintainer }: ControlFields): string {
  return `Package: nix-snapshotter
Version: ${version}
Architecture: ${arch}
Maintainer: ${maintainer}
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8), mount
Recommends: containerd (>= 1.7~) | containerd.io (>= 1.7~), nix-bin
Suggests: nerdctl, nix-setup-systemd
Section: admin
Priority: optional
Description: containerd snapshotter that understands Nix store paths
 An image may name store paths instead of carrying their bytes: the node
 fetches them into the Nix store that it has, and every container shares
 them. A store path runs as an image with no registry, by nerdctl, ctr,
 crictl and the kubelet.
 .
 The package has its own Node.js. It changes no configuration of containerd:
 nix-snapshotter setup does, when it is asked to.
`;
}

/** The changelog that Debian's policy asks for: the version and its date. */
export function changelog(version: string, maintainer: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `nix-snapshotter (${version}) unstable; urgency=medium\n\n  * Release ${version}.\n\n -- ${maintainer}  ${date}\n`;
}
