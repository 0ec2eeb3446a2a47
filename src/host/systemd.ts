/**
 * Tells systemd the state of the service (`READY=1`, `STOPPING=1`), when it asked for it. Node has no datagram sockets,
 * so `systemd-notify` does it; the unit needs `NotifyAccess=all`.
 *
 * @throws the error of execa when systemd asked and cannot be told.
 */
export async function notifySystemd(env: NodeJS.ProcessEnv, state: string): Promise<void> {
  if (env['NOTIFY_SOCKET'] === undefined) return;
  const { execa } = await import('execa');
  await execa('systemd-notify', [state], { env, extendEnv: false, stdin: 'ignore', timeout: 10_000 });
}
