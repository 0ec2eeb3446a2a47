#!/bin/sh
# A Nix that its own installer made is in no service's PATH.
PATH=$PATH:/nix/var/nix/profiles/default/bin
export PATH
exec @DIRECTORY@/node @DIRECTORY@/@PROGRAM@.mjs "$@"
