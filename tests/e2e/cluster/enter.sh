#!/usr/bin/env bash
# Runs a command inside the node's namespaces: its network, mounts and processes.
#
#   enter.sh ctr -n k8s.io containers ls      enter.sh nft list ruleset
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

cluster_is_up || fail "no cluster is up in '$CLUSTER_STATE'"
read -r pid _ <"$CLUSTER_STATE/init.pid"
exec nsenter -t "$pid" -n -m -p -u -i -C -r -w -- "$@"
