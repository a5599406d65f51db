#!/usr/bin/env bash
# The local cluster does to Jobs what a Kubernetes does: restricted pods, limits, exit codes, termination messages.
. "$(dirname "$0")/../lib.sh"
export NS=
if [ "$E2E_CLUSTER" != local ]; then
    note "not the local cluster: nothing to prove"
    exit 0
fi
"$HERE/cluster/smoke.sh"
note "done"
