#!/usr/bin/env bash
# Random graphs through neo4j-backup restore into 4.4, 5.26 and 2026, and what a restore refuses: restore-roundtrip.sh.
. "$(dirname "$0")/../lib.sh"
export NS=
seed=${E2E_SEED:-$(date +%s)}
note "seed $seed"
ROUNDTRIP_SEEDS="$seed" ROUNDTRIP_NODES=200 "$HERE/restore-roundtrip.sh" 4 5 2026
note "done"
