# Part of what ./system has: its parts know of each other.
{
  imports = [ ./system ];
}
