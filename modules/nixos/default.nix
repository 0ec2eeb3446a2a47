# All of NixOS: the system's, and that of users.
{
  imports = [
    ./system
    ./rootless.nix
  ];
}
