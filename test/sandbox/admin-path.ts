/**
 * The caller's PATH with the administrator's folders, which Debian leaves out of it for a root that came by a plain `su`:
 * chroot(8), debootstrap(8) and what dpkg runs are there.
 */
export function adminPath(env: NodeJS.ProcessEnv = process.env): { readonly PATH: string } {
  return { PATH: [env['PATH'] ?? '/usr/bin:/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':') };
}
