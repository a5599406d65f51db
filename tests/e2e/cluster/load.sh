#!/usr/bin/env bash
# Gives the running node one more image, from an archive that mkimage.sh (or docker save) made.
#
#   load.sh ARCHIVE.tar...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

for archive in "$@"; do
    # read by this shell: the node's mounts are not this machine's
    "$CLUSTER_DIR/enter.sh" ctr -n k8s.io images import - <"$archive" >&2
done
