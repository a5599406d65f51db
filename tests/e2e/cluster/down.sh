#!/usr/bin/env bash
# Ends the cluster that up.sh started and removes all that it wrote. One process is ended, the
# first of the node's pid namespace; the kernel ends everything that was started inside it,
# and drops its mounts, links and packet filter rules. Does nothing if no cluster is up.
#
#   KEEP=1      leaves the state, with the logs, for a look
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# remove_cgroup DIR: it and all below it, deepest first. Processes that were just killed may
# hold it for a moment.
cgroup_removed() {
    [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
    [ ! -d "$1" ]
}
remove_cgroup() { wait_for 5 cgroup_removed "$1" || say "cannot remove the cgroup '$1'"; }

remove_cgroups() {
    local controllers path
    if cgroup_is_v2; then
        remove_cgroup "/sys/fs/cgroup/$CGROUP_NAME"
        return
    fi
    while IFS=: read -r _ controllers path; do
        [ -n "$controllers" ] || continue
        remove_cgroup "/sys/fs/cgroup/${controllers#name=}${path%/}/$CGROUP_NAME"
    done <"$CLUSTER_STATE/cgroup"
}

[ -d "$CLUSTER_STATE" ] || exit 0
process_end "$CLUSTER_STATE/init.pid" 5
ip link del "$VETH_HOST" 2>/dev/null || true
[ ! -e "$CLUSTER_STATE/cgroup" ] || remove_cgroups
[ "${KEEP:-0}" = 1 ] || rm -rf "$CLUSTER_STATE"
