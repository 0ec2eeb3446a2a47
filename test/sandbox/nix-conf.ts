/** A node's nix.conf: one user, no build sandbox, no network. */
export const NIX_CONF = `sandbox = false
build-users-group =
substituters =
experimental-features = nix-command
fsync-metadata = false
`;
