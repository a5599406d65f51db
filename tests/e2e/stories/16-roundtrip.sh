#!/usr/bin/env bash
# Random graphs, with every type and name that is trouble, through the real cypher-shell into 4.4, 5.26 and 2026.
# A seed that found a fault once (years that run over in the older servers), and one that is new each time and printed, so that
# it can be run again: dump-roundtrip.sh.
. "$(dirname "$0")/../lib.sh"
export NS=
seed=${E2E_SEED:-$(date +%s)}
note "seed $seed"
ROUNDTRIP_SEEDS="1795404833 $seed" ROUNDTRIP_NODES=200 "$HERE/dump-roundtrip.sh" 4 5 2026
note "done"
