# Part of what ./rootless.nix has: its parts know of each other.
{
  imports = [ ./rootless.nix ];
}
