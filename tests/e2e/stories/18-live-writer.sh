#!/usr/bin/env bash
# An export while others write thousands of times a second, restored: live-writer.sh, one round with a new seed.
. "$(dirname "$0")/../lib.sh"
export NS=
LIVE_NODES=8000 LIVE_BYTES_PER_SECOND=500000 "$HERE/live-writer.sh" 1 "${E2E_SEED:-$(date +%s)}"
note "done"
