#!/usr/bin/env bash
# Process 1 of a node that is started inside a plain chroot: its root is a directory, and nothing that
# wants a mount there (propagation, pivot_root) would work. So the tree is bound over /proc, the one mount that is
# surely ours (made private first, so that nothing shows outside), and becomes the root; then node-init.sh goes on.
set -euo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mount --make-private /proc
mount --rbind / /proc
# shellcheck disable=SC2016  # $1 is the inner shell's
exec chroot /proc /bin/bash -c 'mount -t proc proc /proc && mount --make-rprivate / && exec "$1"' bash "$directory/node-init.sh"
