# The flake's development shell for people without flakes.
(import ./.).devShells.${builtins.currentSystem}.default
