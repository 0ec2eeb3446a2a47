/** Which NixOS option makes the file that a path is. */
const OPTIONS: readonly (readonly [prefix: string, option: string])[] = [
  ['/etc/containerd/', 'virtualisation.containerd.settings and environment.etc'],
  ['/etc/containers/', 'environment.etc'],
  ['/etc/nerdctl/', 'environment.etc'],
  ['/etc/nix-snapshotter/', 'environment.etc'],
  ['/etc/rancher/', 'services.k3s.extraFlags and environment.etc'],
  ['/var/lib/rancher/', 'services.k3s.containerdConfigTemplate'],
];

/** What to do where a file is made by NixOS, in words. */
export function nixosAdvice(path: string, link: string): string {
  const option = OPTIONS.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'environment.etc';
  return (
    `${path} leads to ${link}: NixOS makes it, and would make it again. Put what "nix-snapshotter setup --print" shows into ` +
    `the system's configuration: ${option}`
  );
}
