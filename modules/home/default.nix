# All of Home Manager.
{
  imports = [ ./rootless.nix ];
}
